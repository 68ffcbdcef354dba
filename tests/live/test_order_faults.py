"""Each wrong answer to the order itself: an entry and an exit are sent, lost, garbled and found again.

What is held against the exchange's own ledger afterwards is the same for all of them: at most one order per
attempt, the same trades on both sides, nothing sold twice, and one stop for all that is held.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest
from live_bench import RULES, D, LiveBench

from cab_core.domain.money import floor_step
from cab_core.domain.orders import Purpose
from cab_exchange_sim.relay import Net, NetFault, Relay

pytestmark = pytest.mark.idempotency

Bench = Callable[..., LiveBench]

#: Answers after which the order exists although the bot was not told so.
TAKEN = (
    pytest.param("hang", marks=pytest.mark.catalogue(5, 19)),
    pytest.param("cut", marks=pytest.mark.catalogue(21)),
    pytest.param("page_502", marks=pytest.mark.catalogue(23)),
    pytest.param("internal", marks=pytest.mark.catalogue(23)),
    pytest.param("silent_504", marks=pytest.mark.catalogue(23)),
    pytest.param("html_200", marks=pytest.mark.catalogue(25)),
    pytest.param("empty_201", marks=pytest.mark.catalogue(25)),
    pytest.param("null", marks=pytest.mark.catalogue(25)),
    pytest.param("no_id", marks=pytest.mark.catalogue(25)),
    pytest.param("wrong_text", marks=pytest.mark.catalogue(25)),
    pytest.param("wrong_id", marks=pytest.mark.catalogue(25)),
    pytest.param("accepted_202", marks=pytest.mark.catalogue(25)),
    pytest.param("truncated", marks=pytest.mark.catalogue(26)),
)
#: Failures after which it does not exist, and it takes a while to be sure of that.
NOT_TAKEN = (
    pytest.param("cut", marks=pytest.mark.catalogue(20, 21)),
    pytest.param("page_503", marks=pytest.mark.catalogue(23)),
    pytest.param("too_busy", marks=pytest.mark.catalogue(23)),
    pytest.param("server_error", marks=pytest.mark.catalogue(23)),
    pytest.param("unlisted_400", marks=pytest.mark.catalogue(23)),
)
#: Refusals that pass: the same order is sent again as the next attempt.
TRANSIENT = (
    pytest.param("too_many_requests", marks=pytest.mark.catalogue(24)),
    pytest.param("request_expired", marks=pytest.mark.catalogue(29)),
)


@pytest.mark.parametrize("kind", TAKEN)
async def test_orders_that_were_taken_are_adopted_and_not_sent_twice(bench: Bench, kind: str) -> None:
    live = bench()
    live.hurried = True
    live.fault(kind, after=True)
    live.fault(kind, after=True, since=10)
    seen: list[tuple[Decimal, Decimal, list[Decimal]]] = []
    live.at(9, lambda: seen.append((live.held, live.bought(), live.resting())), in_bot=True)
    await live.run(20, buys=[-1], sells=[0])
    ((held, bought, resting),) = seen
    assert held == bought > 0
    assert resting == [floor_step(held, RULES.amount_step)]
    for purpose in (Purpose.ENTRY, Purpose.SIGNAL_SELL):
        (order,) = live.orders(purpose)
        assert (order["state"], order["attempt"]) == ("done", 1)
        assert order["order_id"] in {trade.order_id for trade in live.fills}
    assert live.held == 0
    live.assert_sound()


@pytest.mark.parametrize("kind", NOT_TAKEN)
async def test_an_entry_that_was_lost_is_abandoned_once_that_is_proven(bench: Bench, kind: str) -> None:
    live = bench()
    live.fault(kind)
    await live.run(5, buys=[-1])
    (entry,) = live.orders(Purpose.ENTRY)
    assert entry["state"] == "abandoned"
    assert live.fills == []
    live.assert_sound()


@pytest.mark.parametrize("kind", NOT_TAKEN)
async def test_an_exit_that_was_lost_is_sent_again_once_that_is_proven(bench: Bench, kind: str) -> None:
    live = bench()
    live.fault(kind, since=10)
    await live.run(20, buys=[-1], sells=[0])
    first, second = live.orders(Purpose.SIGNAL_SELL)
    assert (first["state"], second["state"]) == ("abandoned", "done")
    assert second["sent_ms"] - first["sent_ms"] > 14_000  # expiry and margin have passed
    assert live.held == 0
    live.assert_sound()


@pytest.mark.parametrize("kind", TRANSIENT)
async def test_a_passing_refusal_is_followed_by_the_next_attempt(bench: Bench, kind: str) -> None:
    live = bench()
    live.fault(kind)
    live.fault(kind, since=10)
    await live.run(20, buys=[-1], sells=[0])
    for purpose in (Purpose.ENTRY, Purpose.SIGNAL_SELL):
        first, second = live.orders(purpose)
        assert (first["state"], second["state"]) == ("rejected", "done")
    assert live.held == 0
    assert live.bought() > 0
    live.assert_sound()


@pytest.mark.catalogue(27)
async def test_a_request_that_arrives_minutes_later_is_refused_by_its_expiry(bench: Bench) -> None:
    live = bench()
    live.hurried = True
    live.fault("late", seconds=30)
    await live.run(8, buys=[-1])
    assert [order["state"] for order in live.orders(Purpose.ENTRY)] == ["abandoned"]
    assert [e.reason for e in live.venue.exchange.ledger.of_kind("refused")] == ["REQUEST_EXPIRED"]
    assert live.fills == []
    live.assert_sound()


@pytest.mark.parametrize("wrong", ["html_200", "no_id", "wrong_id", "truncated", "hang"])
async def test_a_stop_whose_answer_is_wrong_is_found_or_placed_again(bench: Bench, wrong: str) -> None:
    live = bench()
    live.hurried = True
    live.fault(wrong, after=True, path="/price_orders$")
    await live.run(10, buys=[-1])
    live.assert_sound()
    assert live.held > 0


async def test_a_stop_that_was_named_wrongly_holds_up_no_exit(bench: Bench) -> None:
    live = bench()
    live.fault("wrong_id", after=True, path="/price_orders$")
    await live.run(20, buys=[-1], sells=[0])
    assert live.held == 0
    assert live.stops() == []
    assert live.sold() == floor_step(live.bought(), RULES.amount_step)
    assert not any("cannot be canceled" in alert["text"] for alert in live.alerts)
    live.assert_sound()


# What only a network does.


@attrs.define
class Wired:
    """A bench behind a relay."""

    live: LiveBench
    relay: Relay


@pytest.fixture
def wired(bench: Bench) -> Any:
    live = bench()
    relay = Relay(int(live.venue.origin.rpartition(":")[2]))
    live.do(relay.open)
    live.base_url = f"http://127.0.0.1:{relay.port}/api/v4"
    yield Wired(live, relay)
    live.do(relay.refuse)


@pytest.mark.catalogue(21)
@pytest.mark.parametrize(
    ("fault", "taken"),
    [
        (NetFault(Net.RESET_BEFORE, match="^POST .*/spot/orders "), False),
        (NetFault(Net.RESET_AFTER, match="^POST .*/spot/orders "), True),
        (NetFault(Net.CUT, 100, match="^POST .*/spot/orders "), True),
    ],
    ids=["reset_before", "reset_after", "cut_answer"],
)
@pytest.mark.parametrize("exits", [False, True], ids=["entry", "exit"])
async def test_a_torn_connection(wired: Wired, fault: NetFault, taken: bool, exits: bool) -> None:
    live = wired.live
    live.at(10 if exits else 0.01, lambda: wired.relay.next(fault))
    await live.run(20 if exits else 5, buys=[-1], sells=[0])
    attempts = live.orders(Purpose.SIGNAL_SELL if exits else Purpose.ENTRY)
    states = ["done"] if taken else ["abandoned", "done"] if exits else ["abandoned"]
    assert [order["state"] for order in attempts] == states
    assert (live.held > 0) == (taken and not exits)
    live.assert_sound()


@pytest.mark.catalogue(22)
async def test_refused_connections_for_an_hour_with_a_position_open(wired: Wired) -> None:
    live = wired.live
    live.away = True
    live.at(10, wired.relay.refuse)
    live.at(70, wired.relay.open)
    await live.run(80, buys=[-1], sells=[0])
    # What was decided while nothing could be sent is not forgotten: the position or its stop is still there.
    assert live.held == live.bought() - live.sold()
    live.assert_sound()


@pytest.mark.catalogue(21)
async def test_a_refused_connection_is_known_not_to_have_sent_anything(wired: Wired) -> None:
    """Only the order's own connection is refused: the bot knows at once and sends the next attempt."""
    live = wired.live
    live.away = True
    live.at(0.01, wired.relay.refuse)
    live.at(0.5, wired.relay.open)
    await live.run(6, buys=[-1])
    states = {order["state"] for order in live.orders(Purpose.ENTRY)}
    assert states <= {"rejected", "done"}
    assert D(0) <= live.held == live.bought()
    live.assert_sound()
