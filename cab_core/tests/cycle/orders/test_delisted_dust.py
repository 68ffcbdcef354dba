"""A symbol that is about to be delisted while less than a step of it is held."""

from __future__ import annotations

from pathlib import Path

import attrs
from odd_venue import SYMBOL, D, account

from cab_core.cycle.rules_watch import RulesWatch


async def test_what_can_not_be_sold_before_a_delisting_is_dust_on_record(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        venue, now_ms = bot.venue, bot.clock.now_ms()
        await bot.buy("50")
        rules = attrs.evolve(
            bot.trader.config.instruments[SYMBOL], amount_step=D(1), delisting_ms=now_ms + 60_000
        )
        bot.trader.use({SYMBOL: rules})
        await RulesWatch(bot.execution, bot.clock, bot.lock, lambda: "-").look()
        assert bot.held() == 0
        assert venue.sells() == []
    async with account(tmp_path, venue) as again:
        assert again.held() == 0
        assert again.trader.book.dust()[SYMBOL].quantity == D("0.5")
