"""A database that takes its time over an order: what is late is not sent, and the bot goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from odd_venue import Account, account

from cab_core.domain.orders import OrderState, Purpose
from cab_core.ports import Changes, Committed, Storage

pytestmark = pytest.mark.settlement


class Slow:
    """A storage that takes seven seconds to write that an order is about to be sent."""

    def __init__(self, bot: Account, inner: Storage) -> None:
        self.bot, self.inner = bot, inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def commit(self, changes: Changes) -> Committed:
        if any(move.to is OrderState.SENT for move in changes.moved):
            await self.bot.clock.sleep_until(self.bot.clock.now_ms() + 7_000)
        return await self.inner.commit(changes)


def slow(bot: Account) -> None:
    settlement: Any = bot.execution.settlement
    settlement.storage = Slow(bot, settlement.storage)


async def test_an_entry_whose_record_was_late_is_over_and_the_next_one_is_made(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        settlement: Any = bot.execution.settlement
        quick = settlement.storage
        slow(bot)
        assert (await bot.buy()).refused == "storage_away"
        assert bot.venue.sent == []
        assert await bot.states(Purpose.ENTRY) == ["rejected"]
        assert bot.execution.no_entry("BTC/USDT") is None
        settlement.storage = quick
        await bot.buy(ref="2")
        assert bot.held() > 0


async def test_an_exit_whose_record_was_late_is_sent(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        await bot.buy()
        slow(bot)
        assert (await bot.signal()).refused is None
        assert bot.held() == bot.venue.held["BTC"] == 0
