"""The paper broker through the SDK's verbs: fills, rests, restarts, losses of its memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal

import attrs
import pytest

from cab_broker_paper import Paper
from cab_core.sdk import (
    Absent,
    Account,
    Ack,
    Balance,
    Bars,
    Broker,
    CabError,
    Costs,
    Found,
    Instrument,
    Intent,
    OrderType,
    Purpose,
    Quote,
    Rejected,
    Side,
    Undetermined,
    Unknown,
)
from cab_core.testing.fakes import VirtualClock

D = Decimal
SYMBOL = "BTC/USDT"
BUY = Intent("key", SYMBOL, Side.BUY, Purpose.ENTRY, "first", "trace", 0, cost=D("50.00"), reference=D(100))
SELL = Intent("sale", SYMBOL, Side.SELL, Purpose.SIGNAL_SELL, "signal_sell", "trace", 0, quantity=D("0.2"))
STOP = attrs.evolve(
    SELL, key="stop", purpose=Purpose.STOP_LOSS, type=OrderType.STOP_LIMIT, trigger=D(95), limit=D(94)
)

BOUGHT = Ack(BUY.client_id, filled=D("0.49950"))


class Prices:
    """A market at a price the test sets; it can be silent, or know no bid and ask."""

    def __init__(self) -> None:
        self.price = D(100)
        self.quoted = True
        self.silent = False

    async def quote(self, symbol: str) -> Quote:
        if self.silent:
            raise CabError(f"{symbol}: no answer")
        return Quote(self.price, self.price, 0) if self.quoted else Quote(None, None, 0)

    async def candles(self, symbol: str, timeframe: str, limit: int) -> Bars:
        assert (symbol, timeframe) == (SYMBOL, "15m")
        close = [float(self.price)] * limit
        return Bars.of([900_000 * n for n in range(limit)], close, close, close, close, close)


class Disk:
    """Durable memory that can fail, and that yields to other tasks while it writes."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.full = False

    async def load(self) -> Mapping[str, str]:
        await asyncio.sleep(0)
        return dict(self.values)

    async def save(self, values: Mapping[str, str | None]) -> None:
        await asyncio.sleep(0)
        if self.full:
            raise CabError("the disk is full")
        merged = {**self.values, **values}
        self.values = {key: value for key, value in merged.items() if value is not None}


@attrs.define
class World:
    prices: Prices = attrs.Factory(Prices)
    disk: Disk = attrs.Factory(Disk)
    clock: VirtualClock = attrs.Factory(VirtualClock)

    def broker(self, *, partial_fill_prob: float = 0.0, latency_ms: int = 0) -> Broker:
        account = Account(
            symbols=[SYMBOL],
            initial_quote=D(1000),
            costs=Costs(fee=D("0.002"), slippage=D("0.001")),
            instruments={SYMBOL: Instrument(SYMBOL, amount_step=D("0.00001"))},
            clock=self.clock,
            seed=3,
            market=self.prices,
            state=self.disk,
        )
        return Paper(partial_fill_prob=partial_fill_prob, latency_ms=latency_ms).open(account)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_buy_fills_and_is_found_again(world: World) -> None:
    broker = world.broker()
    assert await broker.resolve(BUY) == Absent()
    assert await broker.submit(BUY) == BOUGHT
    assert await broker.resolve(BUY) == Found(BOUGHT)
    (fill,) = await broker.fills_since(SYMBOL, 0)
    assert fill.price == D(100) * D("1.001")
    assert fill.quantity == D("0.49950")
    assert (fill.fee, fill.fee_currency) == (D("0.49950") * D("0.002"), "BTC")
    assert fill.trade_id == f"{BUY.client_id}-1"
    assert fill.ts_ms == world.clock.now_ms()
    held = await broker.balances()
    assert held == {"USDT": Balance(D(1000) - fill.value), "BTC": Balance(fill.quantity - fill.fee)}


async def test_the_same_order_twice_fills_once(world: World) -> None:
    broker = world.broker()
    answers = await asyncio.gather(*(broker.submit(BUY) for _ in range(5)))
    assert set(answers) == {BOUGHT}
    assert len(await broker.fills_since(SYMBOL, 0)) == 1


async def test_a_restart_continues_where_it_was(world: World) -> None:
    broker = world.broker()
    await broker.submit(BUY)
    await broker.submit(STOP)
    await broker.close()
    again = world.broker()
    assert await again.balances() == await broker.balances()
    assert await again.fills_since(SYMBOL, 0) == await broker.fills_since(SYMBOL, 0)
    assert [o.client_id for o in await again.orders(SYMBOL, 0)] == [STOP.client_id]
    assert await again.submit(BUY) == BOUGHT
    assert len(await again.fills_since(SYMBOL, 0)) == 1


async def test_first_uses_at_the_same_time_load_the_memory_once(world: World) -> None:
    await world.broker().submit(BUY)
    broker = world.broker()
    await asyncio.gather(broker.submit(SELL), broker.balances(), broker.fills_since(SYMBOL, 0))
    assert len(await broker.fills_since(SYMBOL, 0)) == 2
    assert len(await world.broker().fills_since(SYMBOL, 0)) == 2


async def test_an_order_whose_answer_cannot_be_saved_is_unknown(world: World) -> None:
    broker = world.broker()
    world.disk.full = True
    assert isinstance(await broker.submit(BUY), Unknown)
    assert await world.broker().resolve(BUY) == Absent()  # a crash now: it never happened
    world.disk.full = False
    assert await broker.submit(BUY) == BOUGHT  # no crash: the same order, saved by now
    assert await world.broker().resolve(BUY) == Found(BOUGHT)
    assert await world.broker().balances() == await broker.balances()


async def test_without_a_price_the_order_is_refused_for_now(world: World) -> None:
    broker = world.broker()
    world.prices.silent = True
    refused = await broker.submit(BUY)
    assert isinstance(refused, Rejected)
    assert (refused.reason, refused.transient) == ("no_quote", True)
    world.prices.silent = False
    assert await broker.submit(BUY) == BOUGHT


async def test_without_bid_and_ask_the_last_close_counts(world: World) -> None:
    world.prices.quoted = False
    broker = world.broker()
    await broker.submit(BUY)
    (fill,) = await broker.fills_since(SYMBOL, 0)
    assert fill.price == D(100) * D("1.0001") * D("1.001")


async def test_a_stop_fills_when_the_price_is_looked_at(world: World) -> None:
    broker = world.broker()
    await broker.submit(BUY)
    assert await broker.submit(STOP) == Ack(STOP.client_id, final=False, filled=D(0))
    world.prices.price = D("94.5")
    fills = await broker.fills_since(SYMBOL, 0)
    assert fills[-1].price == D("94.5")
    assert fills[-1].client_id == STOP.client_id
    assert await world.broker().fills_since(SYMBOL, 0) == fills
    assert await broker.resolve(STOP) == Found(Ack(STOP.client_id, filled=D("0.2")))


async def test_a_resting_stop_can_be_canceled_once(world: World) -> None:
    broker = world.broker()
    await broker.submit(BUY)
    await broker.submit(STOP)
    assert await broker.cancel(STOP) == Ack(STOP.client_id, filled=D(0))
    assert isinstance(await broker.cancel(STOP), Rejected)
    assert await world.broker().orders(SYMBOL, 0) == []


async def test_an_order_under_way_is_undetermined_until_it_arrives(world: World) -> None:
    broker = world.broker(latency_ms=200)
    started = world.clock.now_ms()
    sending = asyncio.create_task(broker.submit(BUY))
    while not isinstance(await broker.resolve(BUY), Undetermined):
        await asyncio.sleep(0)
    world.prices.price = D(110)
    await asyncio.sleep(0)
    world.clock.advance(ms=200)
    assert await sending == attrs.evolve(BOUGHT, filled=D("0.45409"))
    (fill,) = await broker.fills_since(SYMBOL, 0)
    assert (fill.ts_ms, fill.price) == (started + 200, D(110) * D("1.001"))


async def test_partial_fills_are_the_same_in_every_run(world: World) -> None:
    await (first := world.broker(partial_fill_prob=1.0)).submit(BUY)
    other = World()
    await other.broker(partial_fill_prob=1.0).submit(attrs.evolve(BUY, key="before"))
    await (second := other.broker(partial_fill_prob=1.0)).submit(BUY)
    ours = (await first.fills_since(SYMBOL, 0))[0]
    assert ours.quantity < D("0.49950")
    assert (await second.fills_since(SYMBOL, 0))[-1] == ours


async def test_money_that_is_not_there_cannot_be_spent(world: World) -> None:
    refused = await world.broker().submit(attrs.evolve(BUY, cost=D("1000.01")))
    assert isinstance(refused, Rejected)
    assert refused.reason == "insufficient_funds"


async def test_reading_verbs_pass_the_market_on(world: World) -> None:
    broker = world.broker()
    assert (await broker.quote(SYMBOL)).bid == D(100)
    assert len(await broker.candles(SYMBOL, "15m", 3)) == 3
    assert await broker.server_time_ms() == world.clock.now_ms()
    assert (await broker.instruments())[SYMBOL].amount_step == D("0.00001")
    assert broker.caps().native_stop == "limit"


def test_without_a_market_it_does_not_open(world: World) -> None:
    account = Account(
        symbols=[SYMBOL], initial_quote=D(1), costs=Costs(), instruments={}, clock=world.clock, market=None
    )
    with pytest.raises(CabError, match="no prices"):
        Paper(partial_fill_prob=0.0, latency_ms=0).open(account)


@pytest.mark.parametrize(("probability", "latency_ms"), [(1.5, 0), (float("nan"), 0), (0.0, -1)])
def test_options_have_bounds(probability: float, latency_ms: int) -> None:
    with pytest.raises(ValueError, match="is not in"):
        Paper(partial_fill_prob=probability, latency_ms=latency_ms)
