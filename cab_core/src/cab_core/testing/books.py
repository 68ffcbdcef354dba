"""Factories of what a risk rule sees: a quiet account, changed only where a test says so."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import numpy as np

from cab_core.sdk import BookView, Entry, HourlyReturns, PositionView, Quote, RoundTrip
from cab_core.testing.series import START_MS

HOUR_MS = 3_600_000
#: Noon of a UTC day, so that "today" has a past and a future.
NOW_MS = START_MS + 12 * HOUR_MS


def quote(bid: str | None = "99.99", ask: str | None = "100.01", ts_ms: int = NOW_MS) -> Quote:
    """Return a quote from texts; None leaves the side unknown."""
    return Quote(None if bid is None else Decimal(bid), None if ask is None else Decimal(ask), ts_ms)


def entry(**changes: Any) -> Entry:
    """Return the candidate buy of 50 USDT of BTC/USDT at 100, with the given fields changed."""
    usual = Entry("BTC/USDT", Decimal(50), Decimal(100), quote(), NOW_MS)
    return attrs.evolve(usual, **changes)


def returns(symbol: str, hours: int = 200, now_ms: int = NOW_MS) -> HourlyReturns:
    """Return seeded hourly log returns of a symbol up to ``now_ms``."""
    rng = np.random.default_rng(list(symbol.encode()))
    stamps = now_ms // HOUR_MS * HOUR_MS - HOUR_MS * np.arange(1, hours + 1)[::-1]
    return HourlyReturns(stamps.astype(np.int64), rng.normal(0.0, 0.01, hours))


def book(**changes: Any) -> BookView:
    """Return the snapshot of a flat account of 10,000 quote without history, with fields changed."""
    usual = BookView(
        positions={},
        round_trips=(),
        realized_today=Decimal(0),
        unrealized=Decimal(0),
        equity=Decimal(10_000),
        peak=Decimal(10_000),
        last_fill_ms={},
        spreads=(),
        orders_5m=0,
        turnover_5m=Decimal(0),
        released_ms={},
        hourly_returns=returns,
    )
    return attrs.evolve(usual, **changes)


def round_trip(pnl: str, *, closed_ms: int = NOW_MS - HOUR_MS, symbol: str = "BTC/USDT") -> RoundTrip:
    """Return a closed round trip of one hour with the given net PnL."""
    return RoundTrip(symbol, closed_ms - HOUR_MS, closed_ms, Decimal(pnl))


def position(symbol: str, *, quantity: str = "1", cost: str = "100", opened_ms: int = 0) -> PositionView:
    """Return an open position, opened two hours before noon unless said otherwise."""
    return PositionView(symbol, Decimal(quantity), Decimal(cost), opened_ms or NOW_MS - 2 * HOUR_MS)
