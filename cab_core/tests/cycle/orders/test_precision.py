"""An exit that does not fit the venue's steps is told of, and made once it fits: also after a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from odd_venue import SYMBOL, Account, D, account

from cab_core.domain.market import Instrument
from cab_core.domain.orders import Purpose, Rejected

pytestmark = pytest.mark.catalogue(49)


def misfit(_: object) -> Rejected:
    return Rejected("bad_precision", "says the venue")


def use(bot: Account, **rules: Any) -> None:
    bot.trader.use({SYMBOL: Instrument(SYMBOL, **rules)})


async def test_a_signal_refused_for_its_precision_outlives_a_restart(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        venue = bot.venue
        await bot.buy()
        venue.plan.append(misfit)
        await bot.signal()
        assert any("bad_precision" in text for text in await bot.alerts())
    async with account(tmp_path, venue) as bot:
        await bot.watch(120)
        assert bot.held() == venue.held["BTC"] == 0


@pytest.mark.parametrize("exit_", ["signal", "stop loss"])
async def test_an_exit_refused_for_its_precision_for_long_is_told_and_made(
    tmp_path: Path, exit_: str
) -> None:
    async with account(tmp_path) as bot:
        await bot.buy()
        bot.venue.plan += [misfit] * 12
        if exit_ == "signal":
            await bot.signal()
        else:
            bot.venue.price = D(90)
        await bot.watch(15 * 60)
        assert len(await bot.alerts()) > 5
        assert bot.held() == bot.venue.held["BTC"] == 0


@pytest.mark.parametrize("exit_", ["signal", "stop loss"])
async def test_what_has_become_less_than_a_step_is_told_of_when_it_is_to_be_sold(
    tmp_path: Path, exit_: str
) -> None:
    async with account(tmp_path) as bot:
        await bot.buy()
        if exit_ == "signal":
            bot.venue.plan.append(misfit)
            await bot.signal()
        use(bot, amount_step=D(1))
        assert bot.held() == D("0.5")
        bot.venue.price = D(80)
        bot.trader.book.mark(SYMBOL, D(80))
        await bot.watch(30)
        assert bot.held() == 0
        assert bot.trader.book.dust()[SYMBOL].quantity == D("0.5")
        assert bot.trader.book.equity() == D(10_000) - 10
        assert any("too small to sell" in text for text in await bot.alerts())


async def test_a_signal_that_waits_is_cut_to_the_steps_of_now(tmp_path: Path) -> None:
    async with account(tmp_path, amount_step=D("0.001")) as bot:
        await bot.buy(cost="51.234")
        bot.venue.plan.append(misfit)
        await bot.signal()
        use(bot, amount_step=D("0.1"))
        await bot.watch(60)
        assert [order.quantity for order in bot.venue.sells()] == [D("0.512"), D("0.5")]
        assert bot.held() == 0
        assert await bot.states(Purpose.SIGNAL_SELL) == ["rejected", "abandoned", "done"]
