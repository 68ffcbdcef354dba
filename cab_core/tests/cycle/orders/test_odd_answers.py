"""No answer of a venue ends supervision: an odd order is set aside and told, and the price is looked at."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import attrs
import pytest
from odd_venue import SYMBOL, Account, D, Venue, account

from cab_core.domain.orders import Ack, Intent, Purpose, Side, Unknown

pytestmark = pytest.mark.idempotency

MALFORMED = [
    {"price": D(0)},
    {"quantity": D(0)},
    {"price": D("NaN")},
    {"quantity": D(-1)},
    {"fee": D("Infinity")},
    {"price": None},
    {"symbol": "ETH/USDT"},
    {"side": Side.BUY},
]


def spoiled(venue: Venue, **fields: object) -> object:
    """Return a send whose only trade is listed with fields that make no sense."""

    def answer(intent: Intent) -> Ack:
        ack = venue.fill(intent, intent.quantity or "0.5")
        trades = venue.trades[intent.client_id]
        trades[-1] = attrs.evolve(trades[-1], **fields)
        return ack

    return answer


@pytest.mark.parametrize("fields", MALFORMED, ids=str)
async def test_a_malformed_trade_of_an_exit_keeps_no_other_exit_from_being_made(
    tmp_path: Path, fields: dict[str, object]
) -> None:
    async with account(tmp_path) as bot:
        await bot.buy()
        bot.venue.price = D("102.5")
        bot.venue.plan.append(spoiled(bot.venue, **fields))  # the first target: one half
        await bot.look()
        assert any("left out" in text for text in await bot.alerts())
        bot.venue.price = D(50)
        await bot.watch(300)
        assert bot.held() == 0
        assert bot.venue.held["BTC"] == 0
        assert sum(order.quantity or 0 for order in bot.venue.sells()) == D("0.5")


@pytest.mark.parametrize("verb", ["fills_of", "resolve", "balances", "orders", "quote"])
async def test_a_broker_that_raises_in_a_question_ends_no_look(tmp_path: Path, verb: str) -> None:
    async with account(tmp_path) as bot:
        await bot.buy()
        bot.venue.down.add(verb)
        bot.venue.plan.append(lambda _: Unknown("no answer"))
        bot.venue.price = D(94)
        await bot.watch(30)
        bot.venue.down.clear()
        bot.venue.absent.add(bot.venue.sells()[0].client_id)
        await bot.watch(30)
        assert bot.held() == 0


async def test_a_broker_that_raises_in_a_send_may_have_sent(tmp_path: Path) -> None:
    def failing(intent: Intent) -> Ack:
        bot.venue.fill(intent, intent.quantity or 0)
        raise KeyError("id")

    async with account(tmp_path) as bot:
        await bot.buy()
        bot.venue.plan.append(failing)
        bot.venue.price = D(94)
        await bot.watch(30)
        assert bot.held() == 0
        assert len(bot.venue.sells()) == 1


async def test_a_start_goes_on_past_a_malformed_trade(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        venue = bot.venue
        await bot.buy()
        venue.price = D("102.5")
        venue.plan.append(spoiled(venue, price=D(0)))
        await bot.look()
    async with account(tmp_path, venue) as bot:
        venue.price = D(50)
        await bot.watch(300)
        assert bot.held() == 0


# Trades that do not add up.


def short_listed(venue: Venue, listed: str, filled: str) -> object:
    """Return a send that fills ``filled`` although trades show ``listed`` only."""

    def answer(intent: Intent) -> Ack:
        venue.move(intent, D(filled) - D(listed))
        return venue.fill(intent, listed, filled=D(filled))

    return answer


async def test_an_ended_exit_whose_trades_never_add_up_is_closed_by_the_venues_word(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        await bot.buy()
        bot.venue.price = D("102.5")
        bot.venue.plan.append(short_listed(bot.venue, "0.24", "0.25"))
        await bot.look()
        bot.venue.price = D(50)
        await bot.watch(110)
        assert len(bot.venue.sells()) == 1  # trades may be late: nothing is sold twice
        await bot.watch(60)
        assert bot.held() == 0
        assert bot.venue.held["BTC"] == 0
        assert any("do not add up" in text for text in await bot.alerts())
        fee = D("0.01") * D("102.5") * bot.trader.config.costs.fee  # of what no trade shows: the usual one
        assert fee > 0
        assert bot.trader.book.quote_free == 10_000 - 50 + D("0.25") * D("102.5") - fee + D("0.25") * 50


async def test_a_late_trade_of_an_order_that_was_closed_is_not_booked_twice(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        await bot.buy()
        bot.venue.price = D("102.5")
        bot.venue.plan.append(short_listed(bot.venue, "0.24", "0.25"))
        await bot.look()
        await bot.watch(130)
        exit_ = bot.venue.sells()[0]
        bot.venue.move(exit_, D("-0.01"))
        bot.venue.fill(exit_, "0.01")  # listed at last
        held = bot.held()
        await bot.reconciler.run_once(SYMBOL, fix=True)
        assert bot.held() == held == D("0.25")


async def test_an_order_ends_when_its_trades_add_up_and_not_at_the_first_of_them(tmp_path: Path) -> None:
    """A late part of an order's trades: the position is what was bought, not what was listed first."""
    async with account(tmp_path) as bot:
        bot.venue.plan.append(lambda intent: bot.venue.fill(intent, "0.2", filled=D("0.5")))
        await bot.buy()
        assert bot.held() == D("0.2")
        assert await bot.states(Purpose.ENTRY) == ["acked"]
        await bot.watch(5)
        entry = bot.venue.sent[0][1]
        bot.venue.fill(entry, "0.1", filled=D("0.5"))
        await bot.watch(5)
        assert await bot.states(Purpose.ENTRY) == ["acked"]
        bot.venue.fill(entry, "0.2")
        await bot.watch(20)
        assert bot.held() == D("0.5")
        assert await bot.states(Purpose.ENTRY) == ["done"]


# A venue that names no filled sum.


async def test_a_buy_by_cost_waits_for_all_of_its_trades_where_no_sum_is_named(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        bot.venue.plan.append(lambda intent: bot.venue.fill(intent, "0.2", filled=None))
        await bot.buy()
        bot.venue.fill(bot.venue.sent[0][1], "0.3", filled=None)
        await bot.watch(20)
        assert bot.held() == D("0.5")
        assert await bot.states(Purpose.ENTRY) == ["done"]
        assert await bot.alerts() == []


async def test_a_buy_that_filled_in_part_ends_in_time_where_no_sum_is_named(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        bot.venue.plan.append(lambda intent: bot.venue.fill(intent, "0.2", filled=None))
        await bot.buy()
        await bot.watch(150)
        assert bot.held() == D("0.2")
        assert await bot.states(Purpose.ENTRY) == ["done"]


@pytest.mark.parametrize(("sold", "attempts"), [("0", 2), ("0.3", 2), ("0.5", 1)])
async def test_a_sell_that_was_canceled_ends_by_what_the_account_holds(
    tmp_path: Path, sold: str, attempts: int
) -> None:
    def canceled(intent: Intent) -> Ack:
        bot.venue.move(intent, D(sold))
        return bot.venue.told(intent, final=True, filled=None)

    async with account(tmp_path) as bot:
        await bot.buy()
        bot.venue.plan.append(lambda intent: bot.venue.told(intent, final=False))
        bot.venue.cancels.append(canceled)
        bot.venue.price = D(94)
        await bot.watch(600)
        assert bot.held() == 0
        assert bot.venue.held["BTC"] == 0
        assert len(bot.venue.sells()) == attempts
        assert await bot.alerts()


# An outcome that nothing tells.


async def lost(bot: Account, sold: str = "0") -> None:
    """Let an exit get lost: no answer, no listing."""

    def silent(intent: Intent) -> Unknown:
        bot.venue.move(intent, D(sold))
        return Unknown("no answer")

    bot.venue.plan.append(silent)
    bot.venue.price = D(94)
    await bot.look()


@pytest.mark.parametrize("sold", ["0", "0.5"])
async def test_an_unknown_exit_ends_by_what_the_account_holds(tmp_path: Path, sold: str) -> None:
    async with account(tmp_path) as bot:
        await bot.buy()
        await lost(bot, sold)
        await bot.watch(9 * 60)
        assert bot.held() == D("0.5")  # it may yet be found
        await bot.watch(3 * 60)
        assert bot.held() == 0
        assert bot.venue.held["BTC"] == 0
        expected = ["abandoned", "done"] if sold == "0" else ["done"]
        assert await bot.states(Purpose.STOP_LOSS) == expected
        assert len(await bot.alerts()) >= 2


async def test_an_unknown_exit_is_left_alone_while_its_order_is_open(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        await bot.buy()
        await lost(bot)
        bot.venue.told(bot.venue.sells()[0], final=False)
        bot.venue.down.add("resolve")
        await bot.watch(15 * 60)
        assert len(bot.venue.sells()) == 1
        assert await bot.states(Purpose.STOP_LOSS) == ["unknown"]


async def test_an_unknown_exit_is_left_alone_while_the_account_cannot_be_looked_at(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        await bot.buy()
        await lost(bot)
        bot.venue.down.add("balances")
        await bot.watch(15 * 60)
        assert len(bot.venue.sells()) == 1
        bot.venue.down.clear()
        await bot.watch(60)
        assert bot.held() == 0


async def test_the_wait_for_an_unknown_exit_is_counted_from_its_send_over_restarts(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        venue = bot.venue
        await bot.buy()
        await lost(bot)
    for _ in range(4):
        async with account(tmp_path, venue) as bot:
            await bot.watch(3 * 60)
    assert venue.held["BTC"] == 0


async def test_the_wait_for_missing_trades_is_counted_from_the_send_over_restarts(tmp_path: Path) -> None:
    """As the dead man's switch does, which opens the account anew for each attempt."""
    async with account(tmp_path) as bot:
        venue = bot.venue
        await bot.buy()
        venue.price = D("102.5")
        venue.plan.append(short_listed(venue, "0.24", "0.25"))
        await bot.look()
        venue.price = D(50)
    for _ in range(4):
        async with account(tmp_path, venue) as bot:
            await bot.watch(40)
    assert venue.held["BTC"] == 0


async def test_an_unknown_stop_that_is_not_there_holds_no_exit_back_without_end(tmp_path: Path) -> None:
    async with account(tmp_path, stop_offset="0.005") as bot:
        bot.venue.plan += [lambda i: bot.venue.fill(i, "0.5"), lambda _: Unknown("no answer")]
        await bot.buy()
        await bot.look()
        bot.venue.price = D(94)
        await bot.watch(12 * 60)
        assert bot.held() == 0
        assert bot.venue.held["BTC"] == Decimal(0)


# What does not fit the book.


async def test_coins_that_the_book_did_not_hold_are_told_of(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        await bot.buy()
        bot.venue.plan.append(lambda intent: bot.venue.fill(intent, "0.7"))
        bot.venue.price = D(94)
        await bot.look()
        (told,) = await bot.alerts()
        assert "0.2 more than the book held" in told


async def test_a_fee_without_a_price_is_told_of(tmp_path: Path) -> None:
    def in_points(intent: Intent) -> Ack:
        ack = bot.venue.fill(intent, "0.5")
        (trade,) = bot.venue.trades[intent.client_id]
        bot.venue.trades[intent.client_id] = [attrs.evolve(trade, fee=D(3), fee_currency="POINT")]
        return ack

    async with account(tmp_path) as bot:
        bot.venue.unpriced.add("POINT/USDT")
        bot.venue.plan.append(in_points)
        await bot.buy()
        (told,) = await bot.alerts("important")
        assert "3 POINT" in told
