"""Prices and candles, with and without keys."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from ccxt_world import PAIR, SYMBOL, World

from cab_broker_ccxt.gate import GateBroker
from cab_broker_ccxt.reply import Reply
from cab_core.sdk import CabError, Rejected, Secret
from cab_exchange_sim.engine.values import Book

D = Decimal
TF_MS = 900_000


class Counting:
    """Passes requests on and counts them."""

    def __init__(self, broker: GateBroker) -> None:
        self._client = broker._api.client
        self.seen: Counter[str] = Counter()
        self.last: Mapping[str, Any] = {}
        broker._api.client = self

    async def ask(self, endpoint: str, params: Mapping[str, Any]) -> Reply:
        self.seen[endpoint] += 1
        self.last = params
        return await self._client.ask(endpoint, params)

    async def close(self) -> None:
        await self._client.close()


def truth(world: World, timeframe: str, limit: int) -> list[list[float]]:
    """Return the exchange's own candles that are closed."""
    exchange = world.venue.exchange
    served = exchange.candles(PAIR, timeframe, limit=limit + 1)
    return [
        [c.ts_ms, *(float(v) for v in (c.open, c.high, c.low, c.close, c.volume))] for c in served if c.closed
    ][-limit:]


async def test_without_keys_there_are_prices_and_nothing_else(world: World) -> None:
    account = world.account(api_key=Secret(""), api_secret=Secret(""))
    async with world.opened(account) as broker:
        quote = await broker.quote(SYMBOL)
        assert quote.bid is not None
        assert quote.ask is not None
        assert quote.bid < quote.ask
        assert len(await broker.candles(SYMBOL, "15m", 20)) == 20
        assert (await broker.instruments())[SYMBOL].amount_step == D("0.00001")
        assert abs(await broker.server_time_ms() - world.clock.now_ms()) < 1_000
        for private in (broker.balances(), broker.orders(SYMBOL, 0), broker.fills_since(SYMBOL, 0)):
            with pytest.raises(CabError, match="needs the keys"):
                await private
        for question in (broker.resolve(world.buy()), broker.cancel(world.buy())):
            with pytest.raises(CabError, match="needs the keys"):
                await question
        refused = await broker.submit(world.buy())
        assert isinstance(refused, Rejected)
        assert refused.reason == "credentials"


@pytest.mark.parametrize(("timeframe", "limit"), [("15m", 300), ("1h", 50), ("1d", 5)])
async def test_candles_are_the_exchanges_closed_ones(world: World, timeframe: str, limit: int) -> None:
    async with world.opened() as broker:
        bars = await broker.candles(SYMBOL, timeframe, limit)
    assert [list(row) for row in bars] == truth(world, timeframe, limit)


async def test_more_candles_than_one_request_gives_come_in_pages(world: World) -> None:
    world.clock.advance(15 * 86_400_000)
    async with world.opened() as broker:
        counting = Counting(broker)
        bars = await broker.candles(SYMBOL, "15m", 2200)
        assert counting.seen["publicSpotGetCandlesticks"] == 3
    recorded = world.venue.exchange.market(PAIR).path.bars.ts_ms
    end_ms = world.clock.now_ms()
    mine = recorded[(recorded >= end_ms - 2200 * TF_MS) & (recorded + TF_MS <= end_ms)]
    assert bars.ts_ms.tolist() == mine.tolist()
    assert len(mine) > 2100


async def test_all_who_find_the_clock_stale_wait_for_one_reading(world: World) -> None:
    async with world.opened() as broker:
        await broker.quote(SYMBOL)
        counting = Counting(broker)
        world.clock.advance(61_000)
        quotes = await asyncio.gather(*(broker.quote(SYMBOL) for _ in range(8)))
        assert all(quote.bid is not None for quote in quotes)
        assert counting.seen == {"publicSpotGetTime": 1, "publicSpotGetOrderBook": 8}


async def test_a_decision_costs_one_small_request(world: World) -> None:
    async with world.opened() as broker:
        counting = Counting(broker)
        first = await broker.candles(SYMBOL, "15m", 500)
        for n in range(1, 4):
            world.clock.advance(TF_MS)
            bars = await broker.candles(SYMBOL, "15m", 500)
            again = await broker.candles(SYMBOL, "15m", 500)
            assert counting.seen["publicSpotGetCandlesticks"] == 1 + n
            assert counting.last["to"] - counting.last["from"] == 900  # the newest known one and the new one
            assert list(bars) == list(again)
            assert list(bars)[:-n] == list(first)[n:]
    assert [list(row) for row in bars] == truth(world, "15m", 500)


@pytest.mark.catalogue(67)
async def test_a_candle_that_is_late_or_unfinished_is_not_served(world: World) -> None:
    world.change(lambda: setattr(world.pair.candles, "late_ms", 30_000))
    world.clock.advance(TF_MS // 2 - world.clock.now_ms() % TF_MS % (TF_MS // 2))
    async with world.opened() as broker:
        before = await broker.candles(SYMBOL, "15m", 10)
        to_close = TF_MS - world.clock.now_ms() % TF_MS
        world.clock.advance(to_close + 5_000)
        assert list(await broker.candles(SYMBOL, "15m", 10))[-1][0] == list(before)[-1][0]
        world.clock.advance(30_000)
        assert list(await broker.candles(SYMBOL, "15m", 10))[-1][0] == list(before)[-1][0] + TF_MS


@pytest.mark.catalogue(67)
async def test_the_running_candle_is_dropped_by_time_even_if_it_is_flagged_as_closed(world: World) -> None:
    world.change(lambda: setattr(world.pair.candles, "unfinished_as_closed", True))
    world.clock.advance(60_000)
    async with world.opened() as broker:
        bars = await broker.candles(SYMBOL, "15m", 10)
    assert bars.ts_ms[-1] + TF_MS <= world.clock.now_ms()


@pytest.mark.catalogue(65, 66)
async def test_gaps_are_asked_for_again_and_doubles_vanish(world: World) -> None:
    async with world.opened() as broker:
        counting = Counting(broker)
        before = await broker.candles(SYMBOL, "15m", 50)
        new_ms = int(before.ts_ms[-1]) + TF_MS

        def break_candles() -> None:
            world.pair.candles.missing_ms = {new_ms}
            world.pair.candles.doubled_ms = {new_ms + TF_MS}

        world.change(break_candles)
        world.clock.advance(2 * TF_MS)
        bars = await broker.candles(SYMBOL, "15m", 50)
        assert counting.seen["publicSpotGetCandlesticks"] == 3  # the small one showed a gap: all anew
        assert bars.ts_ms.tolist()[-2:] == [new_ms - TF_MS, new_ms + TF_MS]


@pytest.mark.catalogue(68)
async def test_a_revised_candle_is_fetched_anew(world: World) -> None:
    async with world.opened() as broker:
        await broker.candles(SYMBOL, "15m", 50)
        series = broker._candles._series[SYMBOL, "15m"]
        ts_ms, *prices = series.rows[-1]
        series.rows[-1] = (ts_ms, *(price * 1.5 for price in prices))  # what it was before the revision
        world.clock.advance(TF_MS)
        bars = await broker.candles(SYMBOL, "15m", 50)
    assert [list(row) for row in bars] == truth(world, "15m", 50)


async def test_a_timeframe_that_is_not_offered_says_so(world: World) -> None:
    async with world.opened() as broker:
        with pytest.raises(CabError, match="no candles of 1w"):
            await broker.candles(SYMBOL, "1w", 10)


async def test_a_quote_has_the_depth_of_the_book_for_slippage(world: World) -> None:
    asks = tuple((D(100 + n), D(2)) for n in range(30))
    book = Book(bids=((D(99), D(1)),), asks=asks, ts_ms=world.clock.now_ms())
    world.change(lambda: setattr(world.pair, "book", book))
    async with world.opened() as broker:
        quote = await broker.quote(SYMBOL)
    assert (quote.bid, quote.ask) == (D(99), D(100))
    assert quote.asks == asks[:20]
    assert abs(quote.ts_ms - world.clock.now_ms()) < 1_000


async def test_a_book_that_stands_still_gives_no_price(world: World) -> None:
    world.change(lambda: setattr(world.pair, "stale_ms", 120_000))
    async with world.opened() as broker:
        quote = await broker.quote(SYMBOL)
    assert quote.bid is None
    assert quote.ask is None
