"""Resting stops: what is wanted follows from the position at every look, whatever happened in between."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, product
from typing import Any

import attrs
import pytest
from live_bench import FLAT, MINUTE, START_MS, D, LiveBench

from cab_core.domain.money import floor_step
from cab_core.domain.orders import Purpose, Side
from cab_core.domain.timeframes import HOUR_MS
from cab_core.ports import Changes, Committed

Bench = Callable[..., LiveBench]
STEP = D("0.0001")


def lows(live: LiveBench) -> list[Any]:
    """Return the limits of all stops that were placed, in order."""
    return [entry.price for entry in live.venue.exchange.ledger.of_kind("stop")]


def sales(live: LiveBench) -> list[Any]:
    return [fill for fill in live.fills if fill.side == Side.SELL]


@pytest.mark.catalogue(10)
async def test_after_take_profit_1_the_rest_is_guarded_at_break_even(bench: Bench) -> None:
    live = bench([(100, 103, 100, 103)])
    await live.run(16, buys=[-1])
    (stop,) = live.stops()
    (entry,) = [fill for fill in live.fills if fill.side == Side.BUY]
    assert stop.request.amount == floor_step(live.held, STEP)
    assert stop.request.amount < entry.quantity * D("0.51")
    assert stop.request.trigger > entry.price * D("1.003")  # both fees are earned
    assert live.orders(Purpose.TAKE_PROFIT_1, state="done")
    live.assert_sound()


@attrs.define
class Watched:
    """A storage that keeps what is written together with trades."""

    inner: Any
    seen: list[Changes] = attrs.field(factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def commit(self, changes: Changes) -> Committed:
        if changes.fills:
            self.seen.append(changes)
        return await self.inner.commit(changes)


@pytest.mark.catalogue(10)
async def test_a_fill_and_the_stop_it_moves_are_written_together(bench: Bench) -> None:
    live = bench([FLAT, (100, 103, 100, 103)])
    watched = []

    def watch() -> None:
        settlement = live.session.orchestrator.execution.settlement
        settlement.storage = Watched(settlement.storage)
        watched.append(settlement.storage)

    live.at(1, watch, in_bot=True)
    await live.run(31, buys=[0])
    bought, taken = watched[0].seen
    stages = [written.positions["BTC/USDT"]["protection"]["stage"] for written in (bought, taken)]
    assert stages == [0, 1]
    quantities = [D(written.positions["BTC/USDT"]["quantity"]) for written in (bought, taken)]
    assert quantities == [live.bought(), live.held]
    assert None not in (bought.account, taken.account)
    live.assert_sound()


@pytest.mark.catalogue(11)
async def test_the_stop_follows_the_trail_in_steps_and_never_falls(bench: Bench) -> None:
    rising = [(100 + 2 * n, 102 + 2 * n, 100 + 2 * n, 102 + 2 * n) for n in range(4)]
    live = bench([*rising, (108, 108, 107, 107)], EXITS_TP2_ENABLED="false")
    await live.run(5 * 15 + 1, buys=[-1])
    placed = lows(live)
    assert placed == sorted(placed)
    assert len(placed) > 10
    assert all(later >= one * D("1.0009") for one, later in pairwise(placed[1:]))
    (stop,) = live.stops()
    assert stop.request.trigger == pytest.approx(D(108) * D("0.97"), rel=D("0.002"))
    live.assert_sound()


@pytest.mark.catalogue(56)
async def test_a_stop_is_renewed_at_half_its_life(bench: Bench) -> None:
    live = bench()
    live.options = {"stop_ttl_s": "3600"}
    await live.run(100, buys=[-1])
    stops = live.venue.exchange.ledger.of_kind("stop")
    assert [round((stop.ms - START_MS) / MINUTE) for stop in stops] == [0, 30, 60, 90]
    assert "expired" not in {entry.type for entry in live.venue.exchange.ledger.of_kind("stop_end")}
    live.assert_sound()


@pytest.mark.catalogue(56)
async def test_a_stop_that_expired_while_the_bot_was_down_is_placed_before_anything_else(
    bench: Bench,
) -> None:
    live = bench()
    live.options = {"stop_ttl_s": "3600"}
    await live.run(2, buys=[-1])
    live.venue.advance(3 * HOUR_MS)
    assert live.stops() == []
    started_ms = live.venue.exchange.now_ms
    await live.run(182, buys=[-1])
    live.assert_sound()
    assert (
        live.venue.exchange.ledger.of_kind("stop")[-1].ms - started_ms < 1_000
    )  # calls of the start take time


@pytest.mark.catalogue(63)
async def test_a_stop_cancelled_by_hand_is_back_at_the_next_look(bench: Bench) -> None:
    live = bench(EXITS_INTERVAL_SEC="5")
    live.at(5, lambda: live.venue.exchange.cancel_stops("main"))
    await live.run(7, buys=[-1])
    stops = live.venue.exchange.ledger.of_kind("stop")
    assert len(stops) == 2
    assert stops[1].ms - (START_MS + 5 * MINUTE) <= 5_000
    assert any(alert["kind"] == "stop_missing" for alert in live.alerts)
    live.assert_sound()


@pytest.mark.catalogue(55)
async def test_a_price_already_through_the_stop_is_sold_at_market(bench: Bench) -> None:
    """The stop is gone when the price falls by 12 %, and one look at such a price proves nothing."""
    live = bench([FLAT, (88, 88, 88, 88)], EXITS_INTERVAL_SEC="5")
    live.at(14.99, lambda: live.venue.exchange.cancel_stops("main"))
    await live.run(16, buys=[-1])
    refused = [order for order in live.orders(Purpose.STOP_LOSS) if order["type"] == "stop_limit"][-1]
    assert "trigger_reached" in refused["message"]
    assert live.held == 0
    assert sales(live)[0].ms - (START_MS + 15 * MINUTE) <= 5_000
    live.assert_sound()


@pytest.mark.catalogue(57)
@pytest.mark.parametrize("part", [None, "0.4"], ids=["nothing filled", "filled in part"])
@pytest.mark.parametrize("blind", [False, True], ids=["seen", "no price is shown"])
async def test_a_stop_that_fired_but_rests_unfilled_is_cancelled_and_sold_at_market(
    bench: Bench, part: str | None, blind: bool
) -> None:
    live = bench([FLAT, (93, 93, 93, 93) if part is None else (100, 100, 93, 93)], EXITS_INTERVAL_SEC="5")
    live.pair.limit_part = None if part is None else D(part)
    live.pair.limit_rest_ms = 10 * MINUTE
    if blind:  # then nothing but the age of what rests says that something is wrong
        live.fault(
            "edit",
            after=True,
            method="GET",
            path="/order_book",
            times=None,
            since=15,
            until_ms=START_MS + 24 * MINUTE,
            fields={"bids": []},
        )
    await live.run(25, buys=[-1])
    (fired,) = live.venue.exchange.ledger.of_kind("fire")
    (child,) = [e for e in live.venue.exchange.ledger.of_kind("order") if e.parent == fired.order_id]
    ends = {e.order_id: e.reason for e in live.venue.exchange.ledger.of_kind("end")}
    assert ends[child.order_id] == "cancelled"
    waited_ms = sales(live)[-1].ms - fired.ms
    assert waited_ms <= 15_000
    if blind and part is None:  # a part that filled changes what is wanted, and that is seen at once
        assert waited_ms >= 5_000
    assert live.held == 0
    assert live.sold() == floor_step(live.bought(), STEP)
    live.assert_sound()


@pytest.mark.catalogue(58)
@pytest.mark.parametrize(
    ("opens", "answer"), [*product((95.3, 95.36, 95.4), ("", "before", "after")), (95.36, "hang")]
)
async def test_stop_and_exit_at_the_same_moment_never_sell_twice(
    bench: Bench, opens: float, answer: str
) -> None:
    """The price comes through the stop around the look at which a signal sells as well."""
    live = bench([FLAT, (opens, opens, 90, 90)], EXITS_INTERVAL_SEC="5")
    live.hurried = True
    if answer:
        kind = "hang" if answer == "hang" else "cut"
        more = {"method": "DELETE", "path": "/price_orders/", "since": 15}
        live.fault(kind, after=answer == "after", **more)
    await live.run(20, buys=[-1], sells=[0])
    assert live.held == 0
    assert live.sold() == floor_step(live.bought(), STEP)
    live.assert_sound()


async def test_an_exit_whose_stop_cannot_be_canceled_is_told_of_and_made_later(bench: Bench) -> None:
    live = bench()
    until_ms = START_MS + 18 * MINUTE
    live.fault("page_503", method="DELETE", path="/price_orders/", since=14, times=None, until_ms=until_ms)
    await live.run(20, buys=[-1], sells=[0])
    told = [alert["severity"] for alert in live.alerts if "cannot be canceled" in alert["text"]]
    assert told == ["critical"]
    assert live.held == 0
    assert live.sold() == floor_step(live.bought(), STEP)
    live.assert_sound()


async def test_what_is_too_small_to_halve_is_sold_whole(bench: Bench) -> None:
    live = bench([(100, 103, 100, 103)], FIXED_AMOUNT="6")
    await live.run(18, buys=[-1])
    (sale,) = live.orders(Purpose.TAKE_PROFIT_1)
    assert sale["reason"] == "take_profit_1_all"
    assert live.held == 0
    live.assert_sound()


@pytest.mark.catalogue(48)
async def test_a_rest_that_no_order_can_sell_is_booked_as_dust(bench: Bench) -> None:
    live = bench()
    live.at(5, lambda: live.use_rules(min_notional=D(8)))
    live.pair.fill_part = D("0.5")
    live.pair.finish_as = "ioc"
    await live.run(25, buys=[-1], sells=[0])
    assert live.held == 0
    assert live.stops() == []
    live.assert_sound()
