"""What a venue calls too small: dust by our own arithmetic alone, told of, its loss in the equity."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
from live_bench import FLAT, RULES, SYMBOL, D, LiveBench

from cab_core.app.flatten import flatten
from cab_core.clock import VirtualClock
from cab_core.domain.orders import Purpose

pytestmark = pytest.mark.settlement

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


@pytest.mark.catalogue(48)
async def test_the_dead_mans_switch_ends_on_what_is_too_small_to_sell(bench: Bench) -> None:
    live = bench([FLAT], EXITS_EXCHANGE_STOP="false")
    await live.run(5, buys=[-1])
    live.use_rules(min_notional=D(60))
    report = await flatten(live.load(), VirtualClock(live.venue.exchange.now_ms))
    assert report.done
    assert report.sold == {SYMBOL: 0}
    assert report.left == {SYMBOL: live.bought()}
    assert live.held == 0
    (noted,) = [e for e in live.evidence.events if e.kind == "position.dust"]
    assert D(noted.facts["quantity"]) == live.bought()


@pytest.mark.catalogue(48)
async def test_a_take_profit_whose_half_is_below_the_least_amount_sells_all_at_once(bench: Bench) -> None:
    live = bench([FLAT, (100, 103, 100, 103), (103, 103, 103, 103)])
    live.use_rules(min_amount=D("0.3"))
    await live.run(50, buys=[-1])
    assert [row["reason"] for row in live.orders(Purpose.TAKE_PROFIT_1)] == ["take_profit_1_all"]
    assert live.held == 0
    assert not [alert for alert in live.alerts if alert["kind"] == "stop_missing"]
    live.assert_sound()


async def test_lifting_a_stop_for_an_exit_that_is_refused_is_no_missing_stop(bench: Bench) -> None:
    live = bench([FLAT, (100, 103, 100, 103), (103, 103, 103, 103)])
    live.fault("too_small", since=15, times=2)
    await live.run(50, buys=[-1])
    assert len(live.orders(Purpose.TAKE_PROFIT_1, state="rejected")) == 2
    assert live.orders(Purpose.TAKE_PROFIT_1, state="done")
    assert not [alert for alert in live.alerts if alert["kind"] == "stop_missing"]


async def test_a_stop_too_small_to_rest_is_told_of(bench: Bench) -> None:
    live = bench([FLAT, FLAT])
    higher = {SYMBOL: attrs.evolve(RULES, min_notional=D(49))}
    live.at(2, lambda: live.session.trader.use(higher), in_bot=True)
    await live.run(10, buys=[-1])
    told = [alert for alert in live.alerts if alert["kind"] == "stop_not_placed"]
    assert len(told) == 1
    assert "too small to rest" in told[0]["text"]
    assert live.stops() == []


async def test_an_entry_that_could_not_be_sold_at_its_stop_is_not_made(bench: Bench) -> None:
    live = bench([FLAT, FLAT])
    live.use_rules(min_notional=D("47.5"))
    await live.run(20, buys=[0])
    assert live.orders(Purpose.ENTRY) == []
    assert live.fills == []
