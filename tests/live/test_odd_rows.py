"""Rows of the venue that make no sense: the order is set aside and told, and the position is looked after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from live_bench import FLAT, SYMBOL, D, LiveBench

from cab_core.domain.money import floor_step
from cab_core.domain.orders import Purpose

pytestmark = pytest.mark.settlement

Bench = Callable[..., LiveBench]

TRADES = "/spot/my_trades"


def told(live: LiveBench, words: str) -> bool:
    return any(a["severity"] == "critical" and words in a["text"] for a in live.alerts)


@pytest.mark.catalogue(25)
@pytest.mark.parametrize(
    "fields",
    [{"price": ""}, {"amount": "0"}, {"price": "NaN", "amount": None}, {"side": "?"}, {"side": "buy"}],
    ids=str,
)
async def test_a_malformed_trade_of_the_first_target_does_not_end_the_stop_loss(
    bench: Bench, fields: dict[str, Any]
) -> None:
    candles = [FLAT, (100, 103, 100, 103), (103, 103, 80, 80), (80, 80, 80, 80)]
    live = bench(candles, EXITS_EXCHANGE_STOP="false")
    live.fault("edit", after=True, method="GET", path=TRADES, fields=fields, times=None, since=16)
    await live.run(55, buys=[-1])
    assert live.sold() == floor_step(live.bought(), D("0.0001"))
    assert live.session.trader.book.positions.get(SYMBOL) is None
    assert told(live, "left out")
    assert told(live, "do not add up")
    target, rest = live.orders(Purpose.TAKE_PROFIT_1, Purpose.BREAKEVEN)
    assert (target["state"], rest["state"]) == ("done", "done")


@pytest.mark.catalogue(41)
async def test_an_entry_of_several_trades_ends_with_the_last_of_them(bench: Bench) -> None:
    """One of them is listed two seconds after the others: what is bought is what is held and guarded."""
    live = bench()
    live.fault("edit", after=True, method="GET", path=TRADES, fields={"amount": "0.1"}, times=1)
    await live.run(10, buys=[-1])
    assert live.held == live.bought() > D("0.4")
    live.assert_sound()
