"""The generic dialect, on the local exchange through ccxt's own ``gate``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs
import pytest
from ccxt_world import SYMBOL, World

from cab_broker_ccxt import Ccxt
from cab_broker_ccxt.any_rows import bought_base, client_text, instrument_of
from cab_broker_ccxt.opening_any import open_any
from cab_core.sdk import Ack, CabError, Found, Instrument, Rejected, Secret, Undetermined, Unknown

D = Decimal


@asynccontextmanager
async def opened(world: World, **account: Any) -> AsyncIterator[Any]:
    config = world.config(where="broker:ccxt", exchange_id="gate")
    broker = open_any(world.account(**account), config)
    try:
        yield broker
    finally:
        await broker.close()


async def test_orders_are_filled_listed_and_told_by_their_trades(world: World) -> None:
    async with opened(world) as broker:
        bought, sold = world.buy("50"), world.sell("0.012349999")
        before = await broker.balances()
        ack = await broker.submit(bought)
        assert isinstance(ack, Ack)
        assert isinstance(await broker.submit(sold), Ack)
        after = await broker.balances()
        fills = await broker.fills_of(bought)
        (order,) = world.orders(bought)
        assert sum(fill.quantity for fill in fills) == order.filled
        assert before["BTC"].total - after["BTC"].total == D("0.01234") - sum(
            f.quantity - f.fee for f in fills
        )
        assert [o.client_id for o in await broker.orders(SYMBOL, bought.created_ms - 60_000)] != []
        assert await broker.resolve(bought) == Found(ack)
        assert [f.client_id for f in await broker.fills_since(SYMBOL, bought.created_ms)] == [
            bought.client_id,
            sold.client_id,
        ]


@pytest.mark.parametrize(
    "kind", ["hang", "cut", "truncated", "html_200", "empty_201", "null", "page_502", "too_busy"]
)
async def test_an_accepted_order_is_unknown_and_found(world: World, kind: str) -> None:
    async with opened(world) as broker:
        await broker.instruments()
        world.fault(kind)
        intent = world.buy()
        assert isinstance(await broker.submit(intent), Unknown)
        assert isinstance(await broker.submit(intent), Unknown)
        found = await broker.resolve(intent)
        (order,) = world.orders(intent)
        assert isinstance(found, Found)
        assert found.ack.order_id == order.order_id
        assert sum(fill.quantity for fill in await broker.fills_of(intent)) == order.filled


@pytest.mark.catalogue(27)
async def test_without_an_expiry_absence_is_never_claimed(world: World) -> None:
    async with opened(world) as broker:
        await broker.instruments()
        world.fault("cut", "before_accept")
        intent = world.buy()
        assert isinstance(await broker.submit(intent), Unknown)
        for _ in range(4):
            world.clock.advance(3_600_000)
            assert isinstance(await broker.resolve(intent), Undetermined)
        assert not broker.caps().supports_request_expiry


async def test_refusals_have_reasons_and_a_dead_port_is_not_sent(world: World) -> None:
    async with opened(world) as broker:
        refused = await broker.submit(world.buy("100000"))
        assert isinstance(refused, Rejected)
        assert refused.reason == "insufficient_funds"
        stop = await broker.submit(world.stop("0.1"))
        assert isinstance(stop, Rejected)
    config = world.config(where="broker:ccxt", exchange_id="gate", base_url="https://exchange.invalid/api/v4")
    nowhere = open_any(world.account(), config)
    outcome = await nowhere.submit(world.buy())
    await nowhere.close()
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.transient) == ("not_sent", True)


async def test_cancel_of_what_is_done_is_rejected(world: World) -> None:
    async with opened(world) as broker:
        intent = world.buy()
        await broker.submit(intent)
        outcome = await broker.cancel(intent)
        assert isinstance(outcome, Rejected)
        assert outcome.reason == "not_open"


async def test_prices_need_no_keys_and_secrets_stay_hidden(world: World) -> None:
    async with opened(world, api_key=Secret(""), api_secret=Secret("")) as broker:
        assert (await broker.quote(SYMBOL)).bid is not None
        assert len(await broker.candles(SYMBOL, "15m", 50)) == 50
        with pytest.raises(CabError, match="needs the keys"):
            await broker.balances()
        assert world.venue.secret not in repr(broker)


def test_an_unknown_exchange_is_named(world: World) -> None:
    with pytest.raises(CabError, match="no exchange 'gates'"):
        Ccxt(exchange_id="gates").open(world.account())


@pytest.mark.parametrize("exchange_id", ["gate", "binance", "kraken", "okx", "bybit"])
def test_the_widely_used_exchanges_open(world: World, exchange_id: str) -> None:
    assert Ccxt(exchange_id=exchange_id).open(world.account()).caps().native_stop == "none"


def test_a_client_id_is_made_legal_for_others() -> None:
    assert client_text("t-cabc-1", "gate") == "t-cabc-1"
    assert client_text("t-cabc-1", "okx") == "tcabc1"


def test_where_a_cost_cannot_be_said_the_base_is_rounded_down() -> None:
    rules = attrs.evolve(Instrument("BTC/USDT"), amount_step=D("0.001"))
    assert bought_base(D(50), D(30_000), rules) == D("0.001")


def test_precisions_are_steps_or_places() -> None:
    market = {"precision": {"amount": "4", "price": "2"}, "limits": {"cost": {"min": "5"}}}
    rules = instrument_of("A/B", market, 2)
    assert (rules.amount_step, rules.price_tick, rules.min_notional) == (D("0.0001"), D("0.01"), D(5))
    assert instrument_of("A/B", {"precision": {"amount": "0.5"}}, 4).amount_step == D("0.5")
