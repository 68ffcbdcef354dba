"""A small made-up market to try a plugin on: enough to see that it answers, not whether it earns."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from cab_core.domain.bars import Bars
from cab_core.domain.book import Book
from cab_core.domain.market import Instrument, Quote
from cab_core.domain.risk import Entry
from cab_core.domain.timeframes import TF_MS
from cab_core.plugins.bound import Bound, BoundStrategy
from cab_core.plugins.callers import RiskPanel
from cab_core.plugins.strategies import StrategyCaller

SYMBOL = "BTC/USDT"
_START_MS = 1_700_000_100_000 // TF_MS * TF_MS


def sample_bars(n: int, seed: int = 1) -> Bars:
    """Return ``n`` bars of a seeded random walk around 30,000."""
    rng = np.random.default_rng(seed)
    close = 30_000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.003, n)))
    opened = np.concatenate(([30_000.0], close[:-1]))
    spread = 1.0 + np.abs(rng.normal(0.0, 0.001, n))
    high, low = np.maximum(opened, close) * spread, np.minimum(opened, close) / spread
    return Bars.of(_START_MS + TF_MS * np.arange(n), opened, high, low, close, rng.gamma(2.0, 5.0, n))


def try_strategy(strategy: BoundStrategy) -> str:
    """Ask a strategy about sample bars and too few bars; return what went wrong, or an empty text."""
    caller = StrategyCaller(strategy, SYMBOL)
    for n in (3, max(120, 2 * strategy.warmup_bars)):
        caller.block(sample_bars(n), max(0, n - 20))
    return caller.strikes.last_error


def try_rule(rule: Bound) -> str:
    """Ask a rule about an entry on an empty account; return what went wrong, or an empty text."""
    quote = Quote(bid=Decimal("29999.5"), ask=Decimal("30000.5"), ts_ms=_START_MS)
    entry = Entry(SYMBOL, Decimal(50), Decimal(30_000), quote, _START_MS)
    account = Book(Decimal(10_000), {SYMBOL: Instrument(SYMBOL)})
    book = account.view(_START_MS, spreads=(), released_ms={}, hourly_returns=lambda _symbol: None)
    panel = RiskPanel([rule])
    panel.check(entry, book)
    return panel.callers[0].strikes.last_error
