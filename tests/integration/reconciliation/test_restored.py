"""A database older than reality: what happened after the backup is found at the venue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cab_core.domain.reconcile import Kind
from cab_core.storage import verify_journal

pytestmark = pytest.mark.reconciliation

SYMBOL = "BTC/USDT"


async def _forgotten(desk: Any, before: str, after: str) -> None:
    """Let a bot do something, back the database up, do something more, and lose that."""
    async with desk.bot() as bot:
        await bot.settled(3600)
        for step in before.split():
            await getattr(bot, step)(ref="before")
        await bot.reconciler.run_once(SYMBOL, fix=True)
    copy = desk.back_up()
    async with desk.bot() as bot:
        await bot.settled(7200)
        for step in after.split():
            await getattr(bot, step)(ref="after")
    desk.restore(copy)


@pytest.mark.catalogue(39, 84)
@pytest.mark.parametrize(
    ("before", "after"),
    [("buy", "sell"), ("buy sell", "buy"), ("buy sell", "buy sell"), ("buy", "sell buy")],
)
async def test_fills_since_the_backup_are_adopted(desk: Any, before: str, after: str) -> None:
    await _forgotten(desk, before, after)
    async with desk.bot() as bot:
        assert bot.reconciler.blocks(SYMBOL) == "reconcile_mismatch"
        result = await bot.cycle()

        assert {finding.kind for finding in result.findings} == {Kind.STRAY_FILLS}
        assert bot.held() == desk.venue.base()
        assert bot.trader.book.quote_free == (await desk.venue.balances())["USDT"].free
        assert {severity for severity, _ in await bot.alerts()} == {"critical"}
        assert bot.reconciler.blocks(SYMBOL) == "reconcile_mismatch"

        assert (await bot.cycle()).clean
        assert bot.reconciler.blocks(SYMBOL) is None
        assert await bot.store.read(verify_journal) == []
        count = len(await bot.fills())
    async with desk.bot() as again:  # and once only
        assert (await again.cycle()).clean
        assert len(await again.fills()) == count


@pytest.mark.catalogue(39, 84)
async def test_an_adopted_entry_is_protected(desk: Any) -> None:
    await _forgotten(desk, "buy sell", "buy")
    async with desk.bot() as bot:
        await bot.cycle()
        position = bot.trader.book.positions[SYMBOL]
        assert position.protection is not None
        assert position.protection.stop == position.entry_price * Decimal("0.95")
        assert position.protection.quantity == desk.venue.base()


@pytest.mark.catalogue(84)
async def test_a_stop_placed_since_the_backup_is_canceled(desk: Any) -> None:
    async with desk.bot() as bot:
        await bot.buy()
    copy = desk.back_up()
    async with desk.bot("0.005") as bot:
        await bot.settled()
        await bot.protector.tend(SYMBOL)
        (forgotten,) = desk.venue._matcher.resting(SYMBOL)
    desk.restore(copy)
    async with desk.bot("0.005") as bot:
        result = await bot.cycle()
        assert Kind.STRAY_ORDER in {finding.kind for finding in result.findings}
        await bot.protector.tend(SYMBOL)
        await bot.cycle()
        await bot.protector.tend(SYMBOL)
        assert len(desk.venue._matcher.resting(SYMBOL)) == 1
        assert forgotten.quantity == desk.venue._matcher.resting(SYMBOL)[0].quantity
        assert (await bot.cycle()).clean
