"""An order that the venue had taken and knows no more holds no exit back, and nothing is sold twice."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from odd_venue import SYMBOL, Account, D, account

from cab_core.app.desk.commands import TransitionError
from cab_core.app.desk.settling import settle_by_hand
from cab_core.domain.orders import Intent, OrderState, Purpose, Unknown
from cab_core.domain.verdict import Fate, Verdict

pytestmark = [pytest.mark.catalogue(40), pytest.mark.idempotency]


def forget(bot: Account, order: Intent) -> None:
    """Let the venue know an order no more: not by its id, in no listing, and there is nothing to cancel."""
    del bot.venue.acks[order.client_id]
    bot.venue.cancels += [lambda _: Unknown("no such order")] * 1_000


async def guarded(bot: Account) -> Intent:
    await bot.buy()
    await bot.look()
    (stop,) = bot.venue.sells(stops=True)
    return stop


@pytest.mark.parametrize("exit_", ["signal", "stop loss"])
async def test_an_exit_is_made_whose_stop_the_venue_knows_no_more(tmp_path: Path, exit_: str) -> None:
    async with account(tmp_path, stop_offset="0.005") as bot:
        forget(bot, await guarded(bot))
        if exit_ == "signal":
            await bot.signal()
        else:
            bot.venue.price = D(90)
        await bot.watch(90)
        assert bot.venue.sells() == []  # it may have fired: balances lag
        await bot.watch(90)
        assert bot.held() == bot.venue.held["BTC"] == 0
        assert any("knows it no more" in text for text in await bot.alerts())


@pytest.mark.parametrize("owned", ["0", "2"])
async def test_what_a_forgotten_stop_has_sold_is_not_sold_again(tmp_path: Path, owned: str) -> None:
    """Also where coins of the owner hide that those of the bot are gone."""
    async with account(tmp_path, stop_offset="0.005") as bot:
        stop = await guarded(bot)
        bot.venue.held["BTC"] += D(owned)
        forget(bot, stop)
        bot.venue.fill(stop, "0.3", "94.5")
        bot.venue.trades["web"] = [
            attrs.evolve(trade, client_id="") for trade in bot.venue.trades.pop(stop.client_id)
        ]
        forget(bot, stop)
        bot.venue.price = D(90)
        await bot.watch(300)
        assert bot.held() == 0
        assert bot.venue.held["BTC"] == D(owned)
        assert [order.quantity for order in bot.venue.sells()] == [D("0.2")]
        assert bot.trader.book.ledger.held(SYMBOL).quantity == 0


async def test_a_position_is_guarded_again_whose_stop_is_not_there_any_more(tmp_path: Path) -> None:
    async with account(tmp_path, stop_offset="0.005") as bot:
        forget(bot, await guarded(bot))
        await bot.watch(240)
        assert [stop.quantity for stop in bot.venue.sells(stops=True)] == [D("0.5")] * 2
        assert await bot.states(Purpose.STOP_LOSS) == ["done", "acked"]


async def test_a_stop_that_cannot_be_asked_for_but_is_listed_stays(tmp_path: Path) -> None:
    async with account(tmp_path, stop_offset="0.005") as bot:
        await guarded(bot)
        bot.venue.down.add("resolve")
        await bot.watch(600)
        assert await bot.states(Purpose.STOP_LOSS) == ["acked"]
        assert len(bot.venue.sells(stops=True)) == 1


async def test_a_forgotten_market_exit_is_made_again(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        await bot.buy()
        bot.venue.plan.append(lambda intent: bot.venue.told(intent, final=False, filled=D(0)))
        bot.venue.price = D(90)
        await bot.look()
        forget(bot, bot.venue.sells()[0])
        await bot.watch(300)
        assert bot.held() == bot.venue.held["BTC"] == Decimal(0)


@pytest.mark.parametrize(
    ("word", "held"),
    [
        ({"fate": Fate.ABSENT}, "0"),
        ({"fate": Fate.FILLED, "quantity": D("0.5"), "price": D(100)}, "0.5"),
    ],
)
async def test_a_forgotten_entry_is_settled_by_hand(tmp_path: Path, word: dict[str, Any], held: str) -> None:
    """What it bought shows nowhere: only a person can tell, and until then nothing more is bought."""
    async with account(tmp_path) as bot:
        bot.venue.plan.append(lambda intent: bot.venue.told(intent, final=False, filled=D(0)))
        await bot.buy()
        (standing,) = bot.execution.standings
        verdict = Verdict(order=standing.intent.client_id, **word)
        forget(bot, standing.intent)
        await bot.watch(660)
        assert len([text for text in await bot.alerts() if "knows it no more" in text]) == 1
        bot.venue.down.add("resolve")
        with pytest.raises(TransitionError):  # it may be open: nobody could ask
            await settle_by_hand(bot.execution, standing, verdict, "anna")
        bot.venue.down.clear()

        settled = await settle_by_hand(bot.execution, standing, verdict, "anna")
        assert (settled.before, settled.state, settled.planned) == (OrderState.ACKED, OrderState.DONE, None)
        assert await bot.states(Purpose.ENTRY) == ["done"]
        assert (list(bot.execution.standings), bot.held()) == ([], D(held))


async def test_what_a_forgotten_entry_is_known_to_have_bought_stays(tmp_path: Path) -> None:
    """Who says that the exchange has no such order takes none of its trades back."""
    async with account(tmp_path) as bot:
        bot.venue.plan.append(lambda intent: bot.venue.fill(intent, "0.2", final=False))
        await bot.buy()
        (standing,) = bot.execution.standings
        forget(bot, standing.intent)
        await bot.watch(660)
        absent = Verdict(order=standing.intent.client_id, fate=Fate.ABSENT)
        assert (await settle_by_hand(bot.execution, standing, absent, "anna")).state is OrderState.DONE
        assert bot.held() == bot.venue.held["BTC"] == D("0.2")


async def test_more_than_was_ordered_was_not_sold_whatever_the_venue_says(tmp_path: Path) -> None:
    """It names the sum in quote: nothing is booked that was not there to sell."""
    async with account(tmp_path) as bot:
        await bot.buy()
        bot.venue.price = D("102.5")
        bot.venue.plan.append(lambda intent: bot.venue.fill(intent, "0.25", filled=D("25.625")))
        await bot.watch(300)
        assert bot.held() == bot.venue.held["BTC"] == D("0.25")
        assert bot.trader.book.quote_free == D(10_000) - 50 + D("0.25") * D("102.5")
        assert await bot.alerts() == []
