"""Orders and stops whose outcome was unknown: found, or proven absent, however late the venue shows them."""

from __future__ import annotations

import attrs
import pytest
from ccxt_world import SYMBOL, World, resolved

from cab_core.sdk import Absent, Ack, CabError, Found, Side, Undetermined, Unknown


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
    world.hide(50_000)
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
    world.hide(50_000)
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


@pytest.mark.parametrize(("sent", "seen"), [(-90_000, 0), (90_000, 0), (0, -90_000), (0, 90_000)])
async def test_a_stop_is_found_though_a_clock_was_set_since_it_was_sent(
    world: World, sent: int, seen: int
) -> None:
    conditions = world.venue.exchange.conditions
    world.change(lambda: setattr(conditions, "clock_skew_ms", sent))
    async with world.opened() as broker:
        world.fault("cut")
        stop = world.stop("0.25")
        assert isinstance(await broker.submit(stop), Unknown)
        world.change(lambda: setattr(conditions, "clock_skew_ms", seen))
        found = await resolved(world, broker, stop)
    (waiting,) = world.venue.exchange.waiting_stops("main")
    assert isinstance(found, Found)
    assert (found.ack.order_id, found.ack.final) == (waiting.stop_id, False)


async def test_a_stop_is_not_given_to_two_intents(world: World) -> None:
    async with world.opened() as broker:
        first = world.stop("0.25")
        assert isinstance(await broker.submit(first), Ack)
        world.fault("cut", "before_accept")
        twin = attrs.evolve(first, key=first.key + "|again", order_id=None)
        assert isinstance(await broker.submit(twin), Unknown)
        assert await resolved(world, broker, twin) == Absent()


async def test_a_stop_that_ended_is_not_taken_for_its_successor(world: World) -> None:
    async with world.opened() as broker:
        first = world.stop("0.25")
        ack = await broker.submit(first)
        assert isinstance(ack, Ack)
        known = attrs.evolve(first, order_id=ack.order_id)
        assert isinstance(await broker.cancel(known), Ack)
    world.clock.advance(30_000)
    async with world.opened() as again:  # a new process does not know the first one
        world.fault("cut", "before_accept")
        now_ms = world.clock.now_ms()
        second = attrs.evolve(first, attempt=2, created_ms=now_ms, sent_ms=now_ms)
        assert isinstance(await again.submit(second), Unknown)
        assert await resolved(world, again, second) == Absent()


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
