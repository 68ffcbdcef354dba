"""Which halts sell everything where that is wanted: those that a loss has tripped."""

from __future__ import annotations

from pathlib import Path

import attrs
from odd_venue import account

from cab_core.domain.orders import Purpose
from cab_core.domain.risk import UNKNOWN_ORDERS, Halt


async def test_orders_that_nobody_knows_sell_nothing_and_a_critical_rule_does(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        bot.trader.config = attrs.evolve(bot.trader.config, emergency_flatten=True)
        await bot.buy()
        bot.trader.halts = bot.trader.halts.trip(Halt(UNKNOWN_ORDERS, bot.clock.now_ms(), None, "a stray"))
        await bot.watch(30)
        assert bot.venue.sells() == []
        bot.trader.halts = bot.trader.halts.trip(Halt("max_drawdown", bot.clock.now_ms(), None, "a loss"))
        await bot.look()
        assert bot.held() == 0
        assert await bot.states(Purpose.EMERGENCY) == ["done"]
        (told,) = [text for text in await bot.alerts() if "is sold" in text]
        assert "because max_drawdown halted" in told
