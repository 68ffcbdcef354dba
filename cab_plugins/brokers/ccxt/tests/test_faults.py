"""Every scripted fault of a send: its outcome, and what is at the exchange in the end."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import pytest
from ccxt_world import PAIR, RULES, SYMBOL, World, resolved

from cab_broker_ccxt.errors import VenueError
from cab_broker_ccxt.gate import GateBroker
from cab_core.sdk import (
    Absent,
    Ack,
    CabError,
    Found,
    Intent,
    Outcome,
    Rejected,
    Undetermined,
    Unknown,
)
from cab_exchange_sim.relay import Net, NetFault

#: The exchange has the order, and the answer does not say so.
ACCEPTED = [
    pytest.param("hang", marks=pytest.mark.catalogue(19)),
    pytest.param("delay", marks=pytest.mark.catalogue(19, 28)),
    pytest.param("cut", marks=pytest.mark.catalogue(21)),
    pytest.param("truncated", marks=pytest.mark.catalogue(26)),
    pytest.param("html_200", marks=pytest.mark.catalogue(25)),
    pytest.param("empty_201", marks=pytest.mark.catalogue(25)),
    pytest.param("null", marks=pytest.mark.catalogue(25)),
    pytest.param("accepted_202", marks=pytest.mark.catalogue(25)),
    pytest.param("no_id", marks=pytest.mark.catalogue(25)),
    pytest.param("wrong_text", marks=pytest.mark.catalogue(25)),
    pytest.param("page_500", marks=pytest.mark.catalogue(23)),
    pytest.param("page_502", marks=pytest.mark.catalogue(23)),
    pytest.param("page_503", marks=pytest.mark.catalogue(23)),
    pytest.param("silent_504", marks=pytest.mark.catalogue(23)),
    pytest.param("internal", marks=pytest.mark.catalogue(23)),
    pytest.param("too_busy", marks=pytest.mark.catalogue(23)),
    pytest.param("server_error", marks=pytest.mark.catalogue(23)),
    pytest.param("repeated_creation", marks=pytest.mark.catalogue(23)),
    pytest.param("unlisted_400", marks=pytest.mark.catalogue(23)),
]
#: The exchange never saw it, and nothing says so either.
LOST = [
    pytest.param("hang", marks=pytest.mark.catalogue(20)),
    pytest.param("cut", marks=pytest.mark.catalogue(21)),
    pytest.param("page_502", marks=pytest.mark.catalogue(23)),
    pytest.param("silent_504", marks=pytest.mark.catalogue(23)),
    pytest.param("internal", marks=pytest.mark.catalogue(23)),
    pytest.param("too_busy", marks=pytest.mark.catalogue(23)),
    pytest.param("server_error", marks=pytest.mark.catalogue(23)),
    pytest.param("unlisted_400", marks=pytest.mark.catalogue(23)),
]
#: The exchange says that it refused.
REFUSED = [
    pytest.param("too_many_requests", "rate_limited", True, marks=pytest.mark.catalogue(24)),
    pytest.param("request_expired", "clock_skew", True, marks=pytest.mark.catalogue(29)),
    pytest.param("invalid_key", "credentials", False, marks=pytest.mark.catalogue(30)),
    pytest.param("read_only", "credentials", False, marks=pytest.mark.catalogue(30)),
    pytest.param("ip_forbidden", "credentials", False, marks=pytest.mark.catalogue(30)),
]


async def found_once(world: World, broker: GateBroker, intent: Intent, outcome: Outcome) -> None:
    """The outcome was unknown, the one order is found, also by a new process, and its fills are its own."""
    assert isinstance(outcome, Unknown)
    (order,) = world.orders(intent)
    found = await broker.resolve(intent)
    assert isinstance(found, Found)
    assert (found.ack.order_id, found.ack.final, found.ack.filled) == (order.order_id, True, order.filled)
    assert isinstance(await broker.submit(intent), Unknown)
    assert len(world.orders(intent)) == 1
    async with world.opened() as again:
        assert await again.resolve(intent) == found
        assert sum(fill.quantity for fill in await again.fills_of(intent)) == order.filled


@pytest.mark.parametrize("kind", ACCEPTED)
async def test_an_accepted_order_is_unknown_and_found(world: World, kind: str) -> None:
    async with world.opened() as broker:
        await broker.instruments()
        world.fault(kind, seconds=2.0 if kind == "delay" else 0.0)
        intent = world.buy()
        await found_once(world, broker, intent, await broker.submit(intent))


@pytest.mark.parametrize("kind", ["hang", "cut", "html_200", "page_502", "truncated"])
async def test_an_accepted_sell_is_unknown_and_found(world: World, kind: str) -> None:
    async with world.opened() as broker:
        await broker.instruments()
        world.fault(kind)
        intent = world.sell("0.25")
        await found_once(world, broker, intent, await broker.submit(intent))


@pytest.mark.parametrize("kind", LOST)
async def test_a_lost_order_is_unknown_and_absent_only_with_proof(world: World, kind: str) -> None:
    async with world.opened() as broker:
        await broker.instruments()
        world.fault(kind, "before_accept")
        intent = world.buy()
        assert isinstance(await broker.submit(intent), Unknown)
        assert isinstance(await broker.resolve(intent), Undetermined)
        sent_ms = intent.sent_ms
        assert sent_ms is not None
        assert await resolved(world, broker, intent) == Absent()
        assert world.clock.now_ms() > sent_ms + 4_000 + 60_000
    assert world.orders(intent) == []


@pytest.mark.parametrize(("kind", "reason", "transient"), REFUSED)
async def test_a_refusal_is_one(world: World, kind: str, reason: str, transient: bool) -> None:
    async with world.opened() as broker:
        await broker.instruments()
        world.fault(kind, "before_accept")
        intent = world.buy()
        outcome = await broker.submit(intent)
        assert isinstance(outcome, Rejected)
        assert (outcome.reason, outcome.transient) == (reason, transient)
        retry = attrs.evolve(intent, attempt=2, sent_ms=world.clock.now_ms())
        assert isinstance(await broker.submit(retry), Ack)
    assert world.orders(intent) == []
    assert len(world.orders(retry)) == 1


@pytest.mark.catalogue(24)
async def test_a_refusal_for_too_many_requests_is_waited_out(world: World) -> None:
    async with world.opened() as broker:
        await broker.instruments()
        world.fault("too_many_requests", "before_accept")
        await broker.submit(world.buy())
        before_ms = world.clock.now_ms()
        await broker.submit(world.buy())
        assert world.clock.now_ms() // 1000 > before_ms // 1000  # the header named the next second


@pytest.mark.catalogue(27)
@pytest.mark.parametrize(
    "seconds", [30.0, 180.0]
)  # 30 s: only the expiry refuses it, its signature is still good
async def test_a_request_that_is_delivered_late_is_refused(world: World, seconds: float) -> None:
    async with world.opened() as broker:
        await broker.instruments()
        world.fault("late", "before_accept", seconds=seconds)
        intent = world.buy()
        assert isinstance(await broker.submit(intent), Unknown)
        assert await resolved(world, broker, intent) == Absent()
        world.clock.advance(300_000)
        for _ in range(100):  # until the late request has arrived, in real time
            if world.change(lambda: world.venue.faults.history[-1].status) is not None:
                break
            await broker.server_time_ms()
    assert world.venue.faults.history[-1].status in (400, 401, 403)
    assert world.orders(intent) == []


@pytest.mark.catalogue(21)
async def test_a_refused_connection_is_proof_that_nothing_was_sent(world: World) -> None:
    async with world.relayed() as (broker, relay):
        await broker.instruments()
        await relay.refuse()
        await asyncio.sleep(0.1)  # the kept connection is seen to be gone; else its end would prove nothing
        intent = world.buy()
        outcome = await broker.submit(intent)
        assert isinstance(outcome, Rejected)
        assert (outcome.reason, outcome.transient) == ("not_sent", True)
    assert world.orders(intent) == []


@pytest.mark.catalogue(33)
async def test_a_failed_handshake_sends_nothing(world: World) -> None:
    encrypted = world.venue.base_url.replace("http:", "https:")  # the exchange speaks no TLS
    async with world.opened(base_url=encrypted) as broker:
        prepared(broker, world)
        outcome = await broker.submit(world.buy())
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.transient) == ("not_sent", True)
    assert "(certificate not accepted)" in outcome.message


def prepared(broker: GateBroker, world: World) -> None:
    """Let clock and rules be known, so that the first request of an order is the order itself."""
    broker._api.server.measured(world.clock.now_ms(), world.clock.now_ms())
    broker._rules._known = {symbol: RULES[symbol] for symbol in RULES}
    broker._rules._loaded_at_s = world.clock.monotonic()


@pytest.mark.catalogue(22)
async def test_a_name_that_does_not_resolve_sends_nothing_and_proves_nothing(world: World) -> None:
    async with world.opened(base_url="http://exchange.invalid/api/v4".replace("http:", "https:")) as broker:
        for known in (False, True):  # it fails at a question before the order, or at the order itself
            if known:
                prepared(broker, world)
            outcome = await broker.submit(world.buy())
            assert isinstance(outcome, Rejected)
            assert (outcome.reason, outcome.transient) == ("not_sent", True)
        tracked = attrs.evolve(world.buy(), order_id="1")
        assert isinstance(await broker.resolve(tracked), Undetermined)


NETWORK = [
    pytest.param(NetFault(Net.RESET_AFTER, match="POST"), True, marks=pytest.mark.catalogue(21)),
    pytest.param(NetFault(Net.CUT, 40, match="POST"), True, marks=pytest.mark.catalogue(26)),
    pytest.param(NetFault(Net.CUT, 600, match="POST"), True, marks=pytest.mark.catalogue(26)),
    pytest.param(NetFault(Net.RESET_BEFORE, match="POST"), False, marks=pytest.mark.catalogue(21)),
    pytest.param(NetFault(Net.BLACK_HOLE, match="POST"), False, marks=pytest.mark.catalogue(20)),
]


@pytest.mark.parametrize(("fault", "accepted"), NETWORK)
async def test_what_the_network_does_to_an_order(world: World, fault: NetFault, accepted: bool) -> None:
    async with world.relayed() as (broker, relay):
        await broker.instruments()
        relay.next(fault)
        intent = world.buy()
        outcome = await broker.submit(intent)
        assert isinstance(outcome, Unknown)
        if accepted:
            await found_once(world, broker, intent, outcome)
        else:
            assert await resolved(world, broker, intent) == Absent()
            assert world.orders(intent) == []
    assert (fault.action, "POST /api/v4/spot/orders HTTP/1.1") in relay.history


@pytest.mark.catalogue(29, 70)
async def test_skew_is_measured_and_a_refusal_for_it_resyncs(world: World) -> None:
    async with world.opened() as broker:
        await broker.instruments()

        def skew() -> None:
            world.venue.exchange.conditions.clock_skew_ms = 90_000

        world.change(skew)
        outcome = await broker.submit(world.buy())
        assert isinstance(outcome, Rejected)
        assert (outcome.reason, outcome.transient) == ("clock_skew", True)
        assert isinstance(await broker.submit(world.buy()), Ack)
        assert abs(await broker.server_time_ms() - world.clock.now_ms() - 90_000) < 1_000


@pytest.mark.catalogue(70)
@pytest.mark.parametrize("skew_ms", [-90_000, 90_000])
async def test_a_bot_whose_clock_is_off_trades_by_the_venues_time(world: World, skew_ms: int) -> None:
    world.clock.skew_ms = skew_ms
    async with world.opened() as broker:
        started_ms = world.clock.now_ms()
        intent = world.buy()
        assert isinstance(await broker.submit(intent), Ack)
        (fill,) = await broker.fills_of(intent)
        assert abs(fill.ts_ms - started_ms) <= 1_000  # told on the bot's clock
        world.fault("hang", "before_accept")
        lost = world.buy()
        assert isinstance(await broker.submit(lost), Unknown)
        assert await resolved(world, broker, lost) == Absent()


@pytest.mark.catalogue(49)
async def test_a_changed_precision_is_learned_from_its_refusal(world: World) -> None:
    async with world.opened() as broker:
        await broker.instruments()

        def coarser() -> None:
            market = world.venue.exchange.market(PAIR)
            market.instrument = attrs.evolve(
                market.instrument, amount_step=world.venue.exchange.settings.gt_price / 1000
            )

        world.change(coarser)  # steps of 0.01
        sell = world.sell("0.12345")
        outcome = await broker.submit(sell)
        assert isinstance(outcome, Rejected)
        assert outcome.reason == "bad_precision"
        retry = attrs.evolve(sell, attempt=2)
        ack = await broker.submit(retry)
        assert isinstance(ack, Ack)
        assert str(ack.filled) == "0.12"


@pytest.mark.catalogue(49)
@pytest.mark.parametrize(
    "fault", [{"kind": "page_502"}, {"kind": "edit", "fields": {"amount_precision": ""}}]
)
async def test_no_exit_waits_for_rules_that_cannot_be_read_again(world: World, fault: dict[str, Any]) -> None:
    async with world.opened() as broker:
        await broker.instruments()
        world.clock.advance(seconds=3_600)
        world.fault(stage="after_accept", method="GET", path="currency_pairs", times=None, **fault)
        with pytest.raises(VenueError):
            await broker.instruments()
        ack = await broker.submit(world.sell("0.12345"))
        assert isinstance(ack, Ack)
        assert str(ack.filled) == "0.12345"


@pytest.mark.catalogue(50, 51)
async def test_one_pair_that_cannot_be_traded_leaves_the_others_alone(world: World) -> None:
    world.change(lambda: setattr(world.pair, "trade_status", "untradable"))
    world.change(lambda: setattr(world.pair, "delisting_ms", world.clock.now_ms() + 86_400_000))
    async with world.opened() as broker:
        rules = await broker.instruments()
        assert not rules[SYMBOL].buyable
        assert rules[SYMBOL].delisting_ms is not None
        assert rules["ETH/USDT"].buyable
        refused = await broker.submit(world.buy())
        assert isinstance(refused, Rejected)
        assert refused.reason == "not_tradable"
        other = attrs.evolve(world.buy(), symbol="ETH/USDT")
        assert isinstance(await broker.submit(other), Ack)


@pytest.mark.catalogue(28)
async def test_reads_are_repeated_and_then_given_up(world: World) -> None:
    async with world.opened(timeout_s=0.4) as broker:
        world.fault("page_502", "before_accept", "GET", path="accounts", times=3)
        assert (await broker.balances())["BTC"].total == 1
        world.fault("hang", "before_accept", "GET", path="accounts", times=None)
        with pytest.raises(CabError, match=r"cannot be reached \(no answer in time\)"):
            await broker.balances()
