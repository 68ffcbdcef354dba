"""What a venue calls too small: dust by our own arithmetic alone, told of, its loss in the equity."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from live_bench import FLAT, SYMBOL, D, LiveBench

from cab_core.domain.orders import Purpose

Bench = Callable[..., LiveBench]

FALL = [FLAT, (100, 100, 90, 90), (90, 90, 90, 90)]


@pytest.mark.catalogue(48)
async def test_a_minimum_raised_above_a_position_is_told_and_its_loss_counts(bench: Bench) -> None:
    live = bench(FALL, EXITS_EXCHANGE_STOP="false")
    live.at(5, lambda: live.use_rules(min_notional=D(60)))
    await live.run(50, buys=[-1])
    book = live.session.trader.book
    quantity, cost = book.dust()[SYMBOL]
    assert book.positions == {}
    assert quantity == live.bought()
    assert book.equity() == book.baseline + quantity * book.marks[SYMBOL] - cost
    assert book.equity() < book.baseline - D(4)
    told = [alert for alert in live.alerts if alert["kind"] == "position_dust"]
    assert [alert["severity"] for alert in told] == ["critical"]
    (noted,) = [e for e in live.evidence.events if e.kind == "position.dust"]
    assert D(noted.facts["quantity"]) == quantity
    assert D(noted.facts["value"]) < D(noted.facts["cost"])


@pytest.mark.catalogue(48)
@pytest.mark.parametrize("kind", ["too_small", "price_band"])
async def test_an_exit_called_too_small_by_mistake_is_told_and_tried_again(bench: Bench, kind: str) -> None:
    live = bench(FALL, EXITS_EXCHANGE_STOP="false")
    live.fault(kind, since=10, times=3)
    await live.run(50, buys=[-1])
    assert live.orders(Purpose.STOP_LOSS, state="rejected")
    assert live.held == 0
    assert live.session.trader.book.dust().get(SYMBOL, (D(0), D(0)))[0] < D("0.0001")
    if kind == "too_small":
        assert [a["severity"] for a in live.alerts if "too small" in a["text"]] == 3 * ["critical"]
    live.assert_sound()


@pytest.mark.catalogue(48)
async def test_a_signal_exit_called_too_small_by_mistake_is_made_after_all(bench: Bench) -> None:
    live = bench([FLAT, FLAT, FLAT], EXITS_EXCHANGE_STOP="false")
    live.fault("too_small", since=10, times=1)
    await live.run(50, buys=[-1], sells=[0])
    assert [row["state"] for row in live.orders(Purpose.SIGNAL_SELL)] == ["rejected", "done"]
    assert [a["severity"] for a in live.alerts if "too small" in a["text"]] == ["critical"]
    live.assert_sound()
