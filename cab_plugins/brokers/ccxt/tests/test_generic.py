"""The generic dialect, on the local exchange through ccxt's own ``gate``: prices, and no order ever."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from ccxt_world import SYMBOL, World

from cab_broker_ccxt import Ccxt
from cab_broker_ccxt.any_rows import instrument_of
from cab_broker_ccxt.opening_any import open_any
from cab_core.sdk import CabError, Rejected, Secret

D = Decimal


@asynccontextmanager
async def opened(world: World, **account: Any) -> AsyncIterator[Any]:
    config = world.config(where="broker:ccxt", exchange_id="gate")
    broker = open_any(world.account(**account), config)
    try:
        yield broker
    finally:
        await broker.close()


async def test_it_shows_what_the_dialect_of_gate_shows(world: World) -> None:
    keyless = {"api_key": Secret(""), "api_secret": Secret("")}
    async with opened(world, **keyless) as broker, world.opened() as gate:
        assert (await broker.quote(SYMBOL)).bid == (await gate.quote(SYMBOL)).bid
        for timeframe, count in (("15m", 50), ("1h", 20)):
            mine, theirs = [await b.candles(SYMBOL, timeframe, count) for b in (broker, gate)]
            assert len(mine) == count
            assert mine.ts_ms.tolist() == theirs.ts_ms.tolist()
            assert mine.close.tolist() == theirs.close.tolist()
        mine, theirs = [(await b.instruments())[SYMBOL] for b in (broker, gate)]
        assert (mine.amount_step, mine.min_notional) == (theirs.amount_step, theirs.min_notional)
        assert abs(await broker.server_time_ms() - world.clock.now_ms()) < 1_000


@pytest.mark.catalogue(27)
async def test_it_sends_no_order_and_claims_no_absence(world: World) -> None:
    async with opened(world) as broker:
        intent = world.buy()
        outcome = await broker.submit(intent)
        assert isinstance(outcome, Rejected)
        assert outcome.reason == "prices_only"
        assert world.orders(intent) == []
        assert broker.caps().absence == "none"
        questions: dict[str, Callable[[], Awaitable[Any]]] = {
            "resolve": lambda: broker.resolve(intent),
            "cancel": lambda: broker.cancel(intent),
            "balances": broker.balances,
            "orders": lambda: broker.orders(SYMBOL, 0),
            "fills_of": lambda: broker.fills_of(intent),
            "fills_since": lambda: broker.fills_since(SYMBOL, 0),
        }
        for question in questions.values():
            with pytest.raises(CabError, match="prices alone") as refused:
                await question()
            assert "EXCHANGE=gateio" in refused.value.fix


async def test_it_is_given_no_credentials_to_show(world: World) -> None:
    async with opened(world) as broker:
        await broker.quote(SYMBOL)
        assert world.venue.secret not in repr(broker)


def test_an_unknown_exchange_is_named(world: World) -> None:
    with pytest.raises(CabError, match="no exchange 'gates'"):
        Ccxt(exchange_id="gates").open(world.account())


@pytest.mark.parametrize("exchange_id", ["gate", "binance", "kraken", "okx", "bybit"])
def test_the_widely_used_exchanges_open(world: World, exchange_id: str) -> None:
    assert Ccxt(exchange_id=exchange_id).open(world.account()).caps().native_stop == "none"


def test_precisions_are_steps_or_places() -> None:
    market = {"precision": {"amount": "4", "price": "2"}, "limits": {"cost": {"min": "5"}}}
    rules = instrument_of("A/B", market, 2)
    assert (rules.amount_step, rules.price_tick, rules.min_notional) == (D("0.0001"), D("0.01"), D(5))
    assert instrument_of("A/B", {"precision": {"amount": "0.5"}}, 4).amount_step == D("0.5")
