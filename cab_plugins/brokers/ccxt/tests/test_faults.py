"""Every scripted fault of a send: its outcome, and what is at the exchange in the end."""

from __future__ import annotations

import asyncio

import attrs
import pytest
from ccxt_world import PAIR, RULES, SYMBOL, World

from cab_broker_ccxt.gate import GateBroker
from cab_core.sdk import (
    Absent,
    Ack,
    CabError,
    Found,
    Intent,
    Outcome,
    Rejected,
    Resolution,
    Side,
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
]
#: The exchange says that it refused.
REFUSED = [
    pytest.param("too_many_requests", "rate_limited", True, marks=pytest.mark.catalogue(24)),
    pytest.param("request_expired", "clock_skew", True, marks=pytest.mark.catalogue(29)),
    pytest.param("invalid_key", "credentials", False, marks=pytest.mark.catalogue(30)),
    pytest.param("read_only", "credentials", False, marks=pytest.mark.catalogue(30)),
    pytest.param("ip_forbidden", "credentials", False, marks=pytest.mark.catalogue(30)),
]


async def resolved(world: World, broker: GateBroker, intent: Intent) -> Resolution:
    """Ask again and again, as time passes, until it is clear."""
    for _ in range(30):
        resolution = await broker.resolve(intent)
        if not isinstance(resolution, Undetermined):
            return resolution
        world.clock.advance(5_000)
    raise AssertionError("never clear")


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


@pytest.mark.catalogue(41)
async def test_an_order_is_found_before_its_trades_are(world: World) -> None:
    world.change(lambda: setattr(world.pair, "trade_delay_ms", 60_000))
    async with world.opened() as broker:
        world.fault("cut")
        intent = world.buy()
        assert isinstance(await broker.submit(intent), Unknown)
        found = await broker.resolve(intent)
        assert isinstance(found, Found)
        assert found.ack.filled == world.orders(intent)[0].filled
        assert await broker.fills_of(intent) == []


@pytest.mark.catalogue(5, 41)
async def test_an_order_is_found_by_its_trades_before_it_is_listed(world: World) -> None:
    world.change(lambda: setattr(world.pair, "order_delay_ms", 60_000))
    async with world.opened() as broker:
        world.fault("cut")
        intent = world.buy()
        assert isinstance(await broker.submit(intent), Unknown)
        found = await broker.resolve(intent)
    (order,) = world.orders(intent)
    assert isinstance(found, Found)
    assert (found.ack.order_id, found.ack.final, found.ack.filled) == (order.order_id, True, order.filled)


@pytest.mark.catalogue(40)
async def test_an_order_that_cannot_be_seen_yet_is_not_absent(world: World) -> None:
    world.change(lambda: setattr(world.pair, "order_delay_ms", 50_000))
    world.change(lambda: setattr(world.pair, "trade_delay_ms", 50_000))
    async with world.opened() as broker:
        world.fault("cut")
        intent = world.buy()
        assert isinstance(await broker.submit(intent), Unknown)
        first = await broker.resolve(intent)
        assert isinstance(first, Undetermined)
        found = await resolved(world, broker, intent)
    assert isinstance(found, Found)
    assert [order.order_id for order in world.orders(intent)] == [found.ack.order_id]


@pytest.mark.parametrize(("sent", "seen"), [(-90_000, 0), (90_000, 0), (0, -90_000), (0, 90_000)])
async def test_an_order_is_found_though_a_clock_was_set_since_it_was_sent(
    world: World, sent: int, seen: int
) -> None:
    conditions = world.venue.exchange.conditions
    world.change(lambda: setattr(conditions, "clock_skew_ms", sent))
    world.change(lambda: setattr(world.pair, "order_delay_ms", 50_000))
    world.change(lambda: setattr(world.pair, "trade_delay_ms", 50_000))
    async with world.opened() as broker:
        world.fault("cut")
        intent = world.buy()
        assert isinstance(await broker.submit(intent), Unknown)
        world.change(lambda: setattr(conditions, "clock_skew_ms", seen))
        found = await resolved(world, broker, intent)
        (order,) = world.orders(intent)
        assert isinstance(found, Found)
        assert found.ack.order_id == order.order_id
        assert sum(fill.quantity for fill in await broker.fills_of(intent)) == order.filled


@pytest.mark.catalogue(40)
async def test_a_known_order_that_is_not_found_stays_open_to_question(world: World) -> None:
    async with world.opened() as broker:
        intent = attrs.evolve(world.buy(), order_id="123456")
        for _ in range(30):
            assert isinstance(await broker.resolve(intent), Undetermined)
            world.clock.advance(5_000)


async def test_an_answer_with_a_wrong_id_is_corrected_by_the_listing(world: World) -> None:
    async with world.opened() as broker:
        world.fault("wrong_id")
        intent = world.buy()
        ack = await broker.submit(intent)
        assert isinstance(ack, Ack)
        journaled = attrs.evolve(intent, order_id=ack.order_id)
        found = await broker.resolve(journaled)
        assert isinstance(found, Found)
        (order,) = world.orders(intent)
        assert found.ack.order_id == order.order_id
        assert sum(fill.quantity for fill in await broker.fills_of(journaled)) == order.filled


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
    assert "ExchangeNotAvailable" in outcome.message


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


@pytest.mark.parametrize("kind", ["hang", "cut", "truncated", "html_200", "empty_201", "null", "page_502"])
async def test_an_accepted_stop_is_recognized_by_what_it_says(world: World, kind: str) -> None:
    async with world.opened() as broker:
        other = world.stop("0.25", below="0.97")  # a stop of another intent, known
        assert isinstance(await broker.submit(other), Ack)
        world.fault(kind)
        stop = world.stop("0.25", below="0.98")
        assert isinstance(await broker.submit(stop), Unknown)
        found = await broker.resolve(stop)
        assert isinstance(found, Found)
        assert not found.ack.final
    waiting = {str(s.request.trigger): s.stop_id for s in world.venue.exchange.waiting_stops("main")}
    assert len(waiting) == 2
    assert found.ack.order_id == waiting[str(stop.trigger)]


async def test_a_stop_is_not_given_to_two_intents(world: World) -> None:
    async with world.opened() as broker:
        first = world.stop("0.25")
        assert isinstance(await broker.submit(first), Ack)
        world.fault("cut", "before_accept")
        twin = attrs.evolve(first, key=first.key + "|again", order_id=None)
        assert isinstance(await broker.submit(twin), Unknown)
        assert await resolved(world, broker, twin) == Absent()


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


async def test_an_hour_of_maintenance_loses_nothing_and_doubles_nothing(world: World) -> None:
    def maintain(on: bool) -> None:
        world.venue.exchange.conditions.maintenance = on

    async with world.opened() as broker:
        world.fault("cut")
        intent = world.buy()
        assert isinstance(await broker.submit(intent), Unknown)
        world.change(lambda: maintain(on=True))
        for _ in range(12):
            assert isinstance(await broker.resolve(intent), Undetermined)
            with pytest.raises(CabError):
                await broker.quote(SYMBOL)
            world.clock.advance(300_000)
        world.change(lambda: maintain(on=False))
        found = await broker.resolve(intent)
    assert isinstance(found, Found)
    assert len(world.orders(intent)) == 1
    assert world.orders(intent)[0].side is Side.BUY


@pytest.mark.catalogue(28)
async def test_reads_are_repeated_and_then_given_up(world: World) -> None:
    async with world.opened(timeout_s=0.4) as broker:
        world.fault("page_502", "before_accept", "GET", path="accounts", times=3)
        assert (await broker.balances())["BTC"].total == 1
        world.fault("hang", "before_accept", "GET", path="accounts", times=None)
        with pytest.raises(CabError, match="privateSpotGetAccounts"):
            await broker.balances()
