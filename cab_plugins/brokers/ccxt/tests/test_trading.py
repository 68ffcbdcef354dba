"""Orders, stops, fills and listings on an exchange where nothing goes wrong."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest
from ccxt_world import PAIR, SYMBOL, World

from cab_core.sdk import Absent, Ack, Found, Rejected, Side, Undetermined, Unknown
from cab_exchange_sim.engine import OrderRequest

D = Decimal


async def test_a_buy_is_filled_and_its_own_trades_tell_what_came(world: World) -> None:
    async with world.opened() as broker:
        before = await broker.balances()
        intent = world.buy("50.009")
        ack = await broker.submit(intent)
        assert isinstance(ack, Ack)
        fills = await broker.fills_of(intent)
        after = await broker.balances()
    (order,) = world.orders(intent)
    assert (ack.order_id, ack.final, ack.ended) == (order.order_id, True, "filled")
    assert ack.filled == sum(fill.quantity for fill in fills) == order.filled
    assert order.amount == D("50.00")  # never more than the cost, at the venue's precision
    assert {fill.client_id for fill in fills} == {intent.client_id}
    spent = sum((fill.value for fill in fills), D(0))
    assert before["USDT"].total - after["USDT"].total == spent <= 50
    got = sum((fill.quantity - fill.fee for fill in fills), D(0))
    assert after["BTC"].total - before["BTC"].total == got
    assert {fill.fee_currency for fill in fills} == {"BTC"}


@pytest.mark.catalogue(60)
async def test_a_sell_is_base_and_rounded_down(world: World) -> None:
    async with world.opened() as broker:
        before = await broker.balances()
        ack = await broker.submit(world.sell("0.012349999"))
        after = await broker.balances()
    assert isinstance(ack, Ack)
    assert before["BTC"].total - after["BTC"].total == D("0.01234") == ack.filled


async def test_the_same_intent_is_never_sent_twice(world: World) -> None:
    async with world.opened() as broker:
        intent = world.buy()
        assert isinstance(await broker.submit(intent), Ack)
        assert isinstance(await broker.submit(intent), Unknown)
    assert len(world.orders(intent)) == 1


async def test_an_intent_whose_time_is_over_is_not_sent(world: World) -> None:
    async with world.opened() as broker:
        intent = world.buy()
        world.clock.advance(4_000)
        outcome = await broker.submit(intent)
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.transient) == ("not_sent", True)
    assert world.orders(intent) == []


@pytest.mark.catalogue(37)
async def test_refusals_name_their_reason(world: World) -> None:
    async with world.opened() as broker:
        reasons = {}
        for name, intent in {
            "funds": world.buy("100000"),
            "nothing": world.sell("500"),
            "small": world.buy("2.5"),
            "symbol": world.buy(symbol="DOGE/USDT"),
        }.items():
            outcome = await broker.submit(intent)
            assert isinstance(outcome, Rejected), outcome
            assert not outcome.transient  # it is not sent again by itself
            reasons[name] = outcome.reason
    assert reasons == {
        "funds": "insufficient_funds",
        "nothing": "insufficient_funds",
        "small": "below_min_notional",
        "symbol": "unknown_symbol",
    }


@pytest.mark.catalogue(36)
async def test_a_part_is_filled_and_the_rest_dropped(world: World) -> None:
    world.change(lambda: setattr(world.pair, "fill_part", D("0.4")))
    async with world.opened() as broker:
        intent = world.buy("100")
        ack = await broker.submit(intent)
        fills = await broker.fills_of(intent)
        assert await broker.resolve(intent) == Found(ack)
    assert isinstance(ack, Ack)
    assert ack.final
    assert ack.filled == sum(fill.quantity for fill in fills)
    assert D(35) < sum((fill.value for fill in fills), D(0)) <= 40


async def test_a_stop_rests_fires_and_its_trades_are_the_stops(world: World) -> None:
    async with world.opened() as broker:
        stop = world.stop("0.5")
        ack = await broker.submit(stop)
        assert isinstance(ack, Ack)
        assert not ack.final
        (listed,) = await broker.orders(SYMBOL, stop.created_ms)
        assert (listed.order_id, listed.stop, listed.open) == (ack.order_id, True, True)
        assert (listed.trigger, listed.limit, listed.quantity) == (stop.trigger, stop.limit, D("0.5"))
        assert (listed.client_id, listed.created_ms) == (stop.client_id, stop.created_ms // 1000 * 1000)
        assert await broker.fills_of(stop) == []
        assert stop.trigger is not None
        world.wait_for_price(stop.trigger)
        known = attrs.evolve(stop, order_id=ack.order_id)
        resolution = await broker.resolve(known)
        assert isinstance(resolution, Found)
        assert (resolution.ack.order_id, resolution.ack.final) == (ack.order_id, True)
        assert resolution.ack.filled == D("0.5")
        assert resolution.ack.fired_ms is not None
        assert stop.created_ms < resolution.ack.fired_ms <= world.clock.now_ms()
        fills = await broker.fills_of(known)
        assert {fill.client_id for fill in fills} == {stop.client_id}
        assert sum(fill.quantity for fill in fills) == D("0.5")
        since = await broker.fills_since(SYMBOL, stop.created_ms)
        assert [(f.trade_id, f.client_id) for f in since] == [(f.trade_id, f.client_id) for f in fills]
        (ended,) = await broker.orders(SYMBOL, stop.created_ms)
        assert (ended.order_id, ended.stop, ended.open, ended.filled) == (
            ack.order_id,
            False,
            False,
            D("0.5"),
        )
    async with world.opened() as again:  # a new process knows the stop by its journaled id alone
        assert [f.trade_id for f in await again.fills_of(known)] == [f.trade_id for f in fills]
        assert await again.resolve(known) == resolution


async def test_a_stop_is_canceled_once_and_confirmed(world: World) -> None:
    async with world.opened() as broker:
        stop = world.stop("0.5")
        ack = await broker.submit(stop)
        assert isinstance(ack, Ack)
        done = await broker.cancel(stop)
        assert isinstance(done, Ack)
        assert (done.order_id, done.final, done.filled) == (ack.order_id, True, D(0))
        assert world.venue.exchange.waiting_stops("main") == []
        again = await broker.cancel(stop)
        assert isinstance(again, Rejected)
        assert again.reason == "not_open"
        ended = await broker.resolve(stop)
    assert isinstance(ended, Found)
    assert (ended.ack.final, ended.ack.filled) == (True, D(0))
    assert ended.ack.ended.startswith("cancel")


async def test_canceling_a_fired_stop_cancels_the_order_it_became(world: World) -> None:
    async with world.opened() as broker:
        stop = world.stop("0.5")
        # A limit above what the market will pay when it fires: the child rests.
        stop = attrs.evolve(stop, limit=(world.price() * D("1.5")).quantize(D("0.01")))
        ack = await broker.submit(stop)
        assert isinstance(ack, Ack)
        assert stop.trigger is not None
        world.wait_for_price(stop.trigger)
        resting = await broker.resolve(stop)
        assert isinstance(resting, Found)
        assert not resting.ack.final
        assert resting.ack.fired_ms is not None
        done = await broker.cancel(stop)
        assert isinstance(done, Ack)
        assert (done.order_id, done.final, done.filled) == (ack.order_id, True, D(0))
        assert world.venue.exchange.open_now("main") == []
        gone = await broker.cancel(stop)
        assert isinstance(gone, Rejected)
        assert gone.reason == "not_open"


async def test_what_a_fired_stop_sold_before_it_was_canceled_is_told(world: World) -> None:
    async with world.opened() as broker:
        stop = world.stop("0.5")
        assert isinstance(await broker.submit(stop), Ack)
        world.change(lambda: setattr(world.pair, "limit_part", D("0.4")))
        world.change(lambda: setattr(world.pair, "limit_rest_ms", 10**10))
        assert stop.trigger is not None
        world.wait_for_price(stop.trigger)
        done = await broker.cancel(stop)
        assert isinstance(done, Ack)
        assert (done.final, done.filled) == (True, D("0.2"))
        assert sum(fill.quantity for fill in await broker.fills_of(stop)) == D("0.2")


async def test_a_stray_order_is_canceled_by_its_id_and_keeps_its_text(world: World) -> None:
    request = OrderRequest(
        pair=PAIR, side=Side.BUY, type="limit", amount=D("0.1"), price=D("1000"), tif="gtc", text="t-cstray-1"
    )
    world.change(lambda: world.venue.exchange.phantom("main", request))
    async with world.opened() as broker:
        (order,) = await broker.orders(SYMBOL, 0)
        stray = attrs.evolve(world.buy(), order_id=order.order_id)
        assert isinstance(await broker.cancel(stray), Ack)
        (ended,) = await broker.orders(SYMBOL, 0)
    assert (ended.client_id, ended.open) == ("t-cstray-1", False)


@pytest.mark.catalogue(55)
async def test_a_stop_at_or_above_the_price_says_so(world: World) -> None:
    async with world.opened() as broker:
        outcome = await broker.submit(world.stop("0.5", below="1.01"))
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "trigger_reached"


@pytest.mark.catalogue(56)
async def test_a_stop_has_the_expiry_we_say_and_its_end_is_seen(world: World) -> None:
    async with world.opened(stop_ttl_s=7200) as broker:
        assert broker.caps().stop_max_ttl_s == 7200
        stop = world.stop("0.5", below="0.5")
        assert isinstance(await broker.submit(stop), Ack)
        world.clock.advance(7_100_000)
        waiting = await broker.resolve(stop)
        world.clock.advance(200_000)
        expired = await broker.resolve(stop)
    assert isinstance(waiting, Found)
    assert not waiting.ack.final
    assert isinstance(expired, Found)
    assert (expired.ack.final, expired.ack.filled) == (True, D(0))
    assert "expired" in expired.ack.ended


async def test_a_stop_that_fails_when_it_fires_is_final_and_empty(world: World) -> None:
    world.change(lambda: setattr(world.pair, "stop_fails", "BALANCE_NOT_ENOUGH"))
    async with world.opened() as broker:
        stop = world.stop("0.5")
        await broker.submit(stop)
        assert stop.trigger is not None
        world.wait_for_price(stop.trigger)
        failed = await broker.resolve(stop)
    assert isinstance(failed, Found)
    assert (failed.ack.final, failed.ack.filled, failed.ack.fired_ms) == (True, D(0), None)
    assert "BALANCE_NOT_ENOUGH" in failed.ack.ended


async def test_canceling_what_is_filled_or_unknown_is_rejected(world: World) -> None:
    async with world.opened() as broker:
        bought = world.buy()
        await broker.submit(bought)
        for intent in (bought, world.buy(), world.stop("0.1")):
            outcome = await broker.cancel(intent)
            assert isinstance(outcome, Rejected)
            assert outcome.reason == "not_open"


async def test_foreign_orders_are_listed_as_such(world: World) -> None:
    request = OrderRequest(
        pair=PAIR, side=Side.BUY, type="limit", amount=D("0.1"), price=D("1000"), tif="gtc", text=""
    )
    world.change(lambda: world.venue.exchange.phantom("main", request))
    async with world.opened() as broker:
        (order,) = await broker.orders(SYMBOL, 0)
    assert (order.client_id, order.open, order.stop, order.limit) == ("", True, False, D(1000))
    assert (order.quantity, order.filled) == (D("0.1"), D(0))


async def test_listings_are_complete_over_many_pages(world: World) -> None:
    def place_many() -> None:
        for n in range(250):
            request = OrderRequest(
                pair=PAIR,
                side=Side.BUY,
                type="limit",
                amount=D("0.01"),
                price=D(1000 + n),
                tif="gtc",
                text=f"t-x{n}",
            )
            world.venue.exchange.phantom("main", request)

    world.change(place_many)
    async with world.opened() as broker:
        assert {order.client_id for order in await broker.orders(SYMBOL, 0)} == {
            f"t-x{n}" for n in range(250)
        }


@pytest.mark.catalogue(31)
async def test_a_listing_whose_second_page_fails_is_no_evidence(world: World) -> None:
    def place_many() -> None:
        for n in range(150):
            request = OrderRequest(
                pair=PAIR,
                side=Side.BUY,
                type="limit",
                amount=D("0.01"),
                price=D(1000 + n),
                tif="gtc",
                text=f"t-x{n}",
            )
            world.venue.exchange.phantom("main", request)

    world.change(place_many)
    async with world.opened() as broker:
        lost = world.buy()
        world.clock.advance(70_000)
        assert isinstance(await broker.resolve(lost), Undetermined)
        world.clock.advance(65_000)  # the margin after the first look of this process
        world.fault("page_502", "before_accept", "GET", path="page=2", times=None)
        assert isinstance(await broker.resolve(lost), Undetermined)
        world.change(world.venue.faults.clear)
        assert await broker.resolve(lost) == Absent()


@pytest.mark.catalogue(32)
async def test_own_trades_are_found_beyond_the_default_window(world: World) -> None:
    async with world.opened() as broker:
        first = world.buy()
        started = world.clock.now_ms()
        await broker.submit(first)
        world.clock.advance(75 * 86_400_000)
        second = world.buy()
        await broker.submit(second)
        fills = await broker.fills_since(SYMBOL, started)
        assert [fill.client_id for fill in fills] == [first.client_id, second.client_id]
        assert [fill.client_id for fill in await broker.fills_of(first)] == [first.client_id]


@pytest.mark.catalogue(42, 43)
async def test_trades_that_come_twice_and_mixed_are_told_once_in_order(world: World) -> None:
    async with world.opened() as broker:
        for _ in range(12):
            await broker.submit(world.buy("10"))
        straight = await broker.fills_since(SYMBOL, 0)
        world.change(lambda: setattr(world.pair, "doubled_trades", True))
        world.change(lambda: setattr(world.pair, "unordered_trades", True))
        assert await broker.fills_since(SYMBOL, 0) == straight
    assert len({fill.trade_id for fill in straight}) == len(straight) >= 12


@pytest.mark.catalogue(41)
async def test_a_fill_that_shows_late_is_known_by_what_the_venue_filled(world: World) -> None:
    world.change(lambda: setattr(world.pair, "trade_delay_ms", 30_000))
    async with world.opened() as broker:
        intent = world.buy()
        ack = await broker.submit(intent)
        assert isinstance(ack, Ack)
        assert ack.filled
        assert await broker.fills_of(intent) == []
        world.clock.advance(31_000)
        assert sum(fill.quantity for fill in await broker.fills_of(intent)) == ack.filled
