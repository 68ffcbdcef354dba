"""Paper and live on the same market: the same decisions, orders and fills, to the last digit."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import numpy as np
from live_bench import FIRST_MS, LiveBench

from cab_core.data.generator import generate
from cab_core.domain.bars import Bars
from cab_core.domain.timeframes import TF_MS

DAYS = 1
#: Close levels, so that every kind of exit happens, and no stop at the exchange, which paper does not have.
SETTINGS = {
    "EXITS_EXCHANGE_STOP": "false",
    "EXITS_INTERVAL_SEC": "180",
    "RECONCILE_INTERVAL_SEC": "3600",
    "STOP_LOSS_PCT": "0.5",
    "TAKE_PROFIT_1_PCT": "0.45",
    "TAKE_PROFIT_2_PCT": "0.9",
    "TRAILING_STOP_PCT": "0.3",
    "RISK_LOSS_STREAK_COUNT": "50",
    "TREND_MIN_COVERAGE": "1",  # of a week of candles no weekly trend is known, which is allowed here
    "RISK_DISABLED_RULES": "cooldown",
    "RISK_ALLOW_DISABLED": "true",
}
#: Enough requests at once that the limiter, which shifts looks by parts of a second, never acts.
UNLIMITED = {"rate_rps": "15", "rate_burst": "50"}


def wild_market() -> Bars:
    made = generate("BTC/USDT", 11, 5)
    stamps = FIRST_MS + TF_MS * np.arange(len(made))
    return attrs.evolve(made, ts_ms=stamps)


def decisions(live: LiveBench) -> list[Any]:
    return [(trace.candle_ts_ms, trace.action, trace.reason, trace.close) for trace in live.traces]


def orders(live: LiveBench) -> list[Any]:
    names = ("key", "attempt", "purpose", "reason", "state", "cost", "quantity", "reference", "created_ms")
    return sorted(tuple(str(row[name]) for name in names) for row in live.evidence.intents)


def fills(live: LiveBench) -> list[Any]:
    return sorted(
        (t.ts_ms, t.client_id, t.side, t.quantity, t.price, t.fee, t.fee_currency)
        for t in live.evidence.trades
    )


def money(live: LiveBench) -> list[Decimal]:
    book = live.evidence.book
    assert book is not None
    return [Decimal(book["quote_free"]), Decimal(book["peak"]), live.session.trader.book.realized]


async def test_paper_and_live_do_the_same(bench: Callable[..., LiveBench]) -> None:
    done = []
    for mode in ("paper", "live"):
        desk = bench(wild_market(), **SETTINGS)
        desk.options = UNLIMITED
        candles = DAYS * 96
        await desk.run(candles * 15, mode, buys=range(-1, candles, 4), sells=range(1, candles, 4))
        done.append(desk)
    paper, live = done
    assert decisions(live) == decisions(paper)
    assert orders(live) == orders(paper)
    assert fills(live) == fills(paper)
    assert money(live) == money(paper)
    assert len(fills(live)) > 24 * DAYS
    purposes = {row["purpose"] for row in live.evidence.intents}
    assert {"entry", "signal_sell", "sl", "tp1", "trail"} <= purposes
    live.assert_sound(guarded=False)
