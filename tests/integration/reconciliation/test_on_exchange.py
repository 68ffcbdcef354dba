"""Reconciliation over real HTTP: ccxt against the local exchange, which other people use too."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from served_account import BTC, PAIR, SYMBOL, adjust, kinds, total

from cab_core.domain.orders import Side, client_order_id
from cab_core.domain.reconcile import Kind
from cab_core.errors import CabError
from cab_exchange_sim.engine.values import OrderRequest
from cab_exchange_sim.faults import Rule
from cab_exchange_sim.testing import RunningExchange

pytestmark = pytest.mark.reconciliation


def phantom(exchange: RunningExchange, text: str) -> None:
    """Let a sell far above the price rest."""
    price = Decimal(exchange.exchange.book(PAIR).asks[0][0]).quantize(Decimal(1)) * 2
    request = OrderRequest(
        pair=PAIR, side=Side.SELL, type="limit", amount=Decimal("0.01"), price=price, text=text
    )
    exchange.call(lambda: exchange.exchange.phantom("main", request))


@pytest.mark.catalogue(46)
async def test_base_sold_by_hand(gate: Any, exchange: RunningExchange) -> None:
    async with gate.bot() as bot:
        await bot.buy()
        assert (await bot.cycle()).clean
        adjust(exchange, "BTC", -total(exchange) / 2)
        assert (await bot.cycle()).corrected == ()
        await bot.cycle()
        assert bot.held() == total(exchange)
        assert (await bot.cycle()).clean


@pytest.mark.catalogue(47)
async def test_a_deposit(gate: Any, exchange: RunningExchange) -> None:
    async with gate.bot() as bot:
        await bot.buy()
        held = bot.held()
        adjust(exchange, "BTC", Decimal(1))
        result = await bot.cycle(force=True)
        assert (kinds(result), result.clean) == ({Kind.UNMANAGED}, True)
        assert bot.held() == held


@pytest.mark.catalogue(38, 39)
async def test_orders_that_nobody_knows(gate: Any, exchange: RunningExchange) -> None:
    adjust(exchange, "BTC", Decimal(1))
    async with gate.bot() as bot:
        phantom(exchange, "t-byhand")
        phantom(exchange, client_order_id("another bot", 1))
        result = await bot.cycle()
        assert kinds(result) == {Kind.FOREIGN_ORDER, Kind.STRAY_ORDER, Kind.UNMANAGED}
        assert [order.text for order in exchange.exchange.open_now("main")] == ["t-byhand"]
        assert (await bot.cycle()).clean


@pytest.mark.catalogue(84)
@pytest.mark.parametrize(("before", "after"), [("buy", "sell"), ("buy sell", "buy")])
async def test_a_restored_database(gate: Any, exchange: RunningExchange, before: str, after: str) -> None:
    async with gate.bot() as bot:
        for step in before.split():
            await getattr(bot, step)(ref="before")
            await bot.settled()
        await bot.reconciler.run_once(SYMBOL, fix=True)
    copy = gate.back_up()
    async with gate.bot() as bot:
        await bot.settled(7200)
        await getattr(bot, after)(ref="after")
    gate.restore(copy)
    async with gate.bot() as bot:
        assert Kind.STRAY_FILLS in kinds(await bot.cycle())
        assert abs(bot.held() - total(exchange)) <= BTC.amount_step
        assert all(position.protection for position in bot.trader.book.positions.values())
        assert (await bot.cycle()).clean


@pytest.mark.catalogue(63)
async def test_a_stop_canceled_by_hand(gate: Any, exchange: RunningExchange) -> None:
    async with gate.bot("0.005") as bot:
        await bot.buy()
        await bot.settled()
        await bot.protector.tend(SYMBOL)
        assert (await bot.cycle()).clean
        exchange.call(lambda: exchange.exchange.cancel_stops("main"))
        assert kinds(await bot.cycle(fix=False)) == {Kind.ORDER_NOT_OPEN, Kind.STOP_MISSING}
        await bot.cycle()
        await bot.protector.tend(SYMBOL)
        assert len(exchange.exchange.waiting_stops("main")) == 1
        assert (await bot.cycle()).clean


@pytest.mark.catalogue(31)
async def test_a_listing_that_fails(gate: Any, exchange: RunningExchange) -> None:
    async with gate.bot() as bot:
        await bot.buy()
        assert (await bot.cycle()).clean
        held = bot.held()
        adjust(exchange, "BTC", -total(exchange) / 2)
        rule = Rule(stage="before_accept", kind="internal", method="GET", path="/spot/my_trades", times=50)
        exchange.call(lambda: exchange.faults.add(rule))
        with pytest.raises(CabError):
            await bot.cycle(force=True)
        assert bot.held() == held
