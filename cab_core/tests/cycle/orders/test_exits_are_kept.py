"""A signal is never dropped: what is held is sold, whatever became of the attempts before."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from odd_venue import SYMBOL, Account, D, account

from cab_core.cycle.refusals import Refusals
from cab_core.domain.belief import Price
from cab_core.domain.market import Quote
from cab_core.domain.orders import Ack, Intent, OrderState, Purpose, Rejected, Side, Unknown, VenueOrder

pytestmark = pytest.mark.settlement


def tenth(bot: Account) -> object:
    """Return a send that fills a tenth of what it is to sell."""
    return lambda intent: bot.venue.fill(intent, ((intent.quantity or 0) / 10).quantize(D("0.000001")))


def refusing(reason: str, *, transient: bool = False) -> object:
    return lambda _: Rejected(reason, "says the venue", transient=transient)


def by_hand(order_id: str, quantity: Decimal) -> VenueOrder:
    """Return a sell of the owner that rests far above the price."""
    return VenueOrder(
        order_id=order_id,
        client_id="",
        symbol=SYMBOL,
        side=Side.SELL,
        stop=False,
        open=True,
        quantity=quantity,
        filled=D(0),
        created_ms=0,
        limit=D(120),
    )


async def test_a_signal_sells_what_its_canceled_stop_has_left(tmp_path: Path) -> None:
    async with account(tmp_path, stop_offset="0.005") as bot:
        await bot.buy()
        await bot.look()
        bot.venue.cancels.append(lambda stop: bot.venue.fill(stop, "0.05"))
        done = await bot.signal()
        assert done.refused is None
        assert bot.held() == bot.venue.held["BTC"] == 0
        assert [order.quantity for order in bot.venue.sells()] == [D("0.45")]
        assert await bot.states(Purpose.SIGNAL_SELL) == ["abandoned", "done"]


async def test_a_signal_is_over_where_its_stop_sold_everything(tmp_path: Path) -> None:
    async with account(tmp_path, stop_offset="0.005") as bot:
        await bot.buy()
        await bot.look()
        bot.venue.cancels.append(lambda stop: bot.venue.fill(stop, "0.5"))
        assert (await bot.signal()).refused == "already_sold"
        assert bot.venue.sells() == []
        assert bot.held() == 0


async def test_the_rest_of_a_signal_exit_is_told_of_and_tried_again_every_minute(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        await bot.buy(cost="5000")
        bot.venue.plan += [tenth(bot)] * 9
        await bot.signal()
        assert len(bot.venue.sells()) == 5
        assert len(await bot.alerts()) == 1
        await bot.watch(50)
        assert len(bot.venue.sells()) == 5
        await bot.watch(15)
        assert bot.held() == bot.venue.held["BTC"] == 0
        assert len(bot.venue.sells()) == 10


async def test_a_signal_exit_that_never_fills_is_told_of_again_and_again(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        await bot.buy(cost="5000")
        bot.venue.plan += [tenth(bot)] * 1000
        await bot.signal()
        await bot.watch(5 * 60)
        assert len(await bot.alerts()) in (5, 6)


async def test_refusals_do_not_count_among_parts(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        await bot.buy(cost="5000")
        bot.venue.plan += [refusing("rate_limited", transient=True)] * 2
        bot.venue.plan += [tenth(bot)] * 4
        await bot.signal()
        assert bot.held() == 0
        assert len(bot.venue.sells()) == 7


async def test_a_refused_signal_exit_is_told_of_and_made_in_the_end(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        await bot.buy()
        bot.venue.plan += [refusing("not_tradable")] * 4
        await bot.signal()
        await bot.watch(120)
        assert bot.held() == 0
        assert any("not_tradable" in text for text in await bot.alerts())


async def test_a_signal_that_comes_again_is_a_further_attempt_of_the_same_exit(tmp_path: Path) -> None:
    """The attempt before has ended, and the bot was killed before it planned the next."""
    async with account(tmp_path) as bot:
        await bot.buy()
        bot.venue.plan.append(lambda _: Unknown("the line was cut"))
        await bot.signal()
        quote = Quote(bot.venue.price, bot.venue.price, bot.clock.now_ms())
        sale = bot.trader.signal_sell(SYMBOL, quote, "vote", "-", bot.clock.now_ms())
        assert sale is not None
        assert await bot.execution.attempts.renewed(sale) is None  # it has not ended
        (standing,) = (each for each in bot.execution.standings.of(SYMBOL) if each.intent.side is Side.SELL)
        await bot.execution.settlement.end(standing, OrderState.ABANDONED, "the venue never took it")
        again = await bot.execution.attempts.renewed(sale)
        assert again is not None
        assert (again.intent.key, again.intent.attempt) == (sale.intent.key, 2)


def test_a_person_is_told_once_a_minute_and_symbol() -> None:
    refusals, at_ms = Refusals(), 1_700_000_000_000
    told = [refusals.untold("BTC/USDT", at_ms + ms) for ms in (0, 1, 59_999, 60_000, 60_001)]
    assert told == [True, False, False, True, False]
    assert refusals.untold("ETH/USDT", at_ms + 60_001)


async def test_the_rest_of_a_signal_exit_that_was_canceled_late_is_sold(tmp_path: Path) -> None:
    """It rests for two minutes, is canceled and has filled in part: nothing else asks for the rest."""

    def canceled(intent: Intent) -> Ack:
        return bot.venue.fill(intent, "0.2")

    async with account(tmp_path) as bot:
        await bot.buy()
        bot.venue.plan.append(lambda intent: bot.venue.told(intent, final=False, filled=D(0)))
        bot.venue.cancels.append(canceled)
        await bot.signal()
        await bot.watch(140)
        assert bot.held() == bot.venue.held["BTC"] == 0


async def test_a_signal_outlives_a_death_while_it_waits_to_be_sent_again(tmp_path: Path) -> None:
    class Dead(BaseException):
        pass

    async def die(_: int, __: int = 0) -> None:
        raise Dead

    async with account(tmp_path) as bot:
        venue = bot.venue
        await bot.buy()
        venue.plan.append(refusing("rate_limited", transient=True))
        alive, venue.clock.sleep_until = venue.clock.sleep_until, die
        with pytest.raises(Dead):
            await bot.signal()
        venue.clock.sleep_until = alive
    async with account(tmp_path, venue) as bot:
        assert bot.held() == 0


# Sends that follow a refusal.


@pytest.mark.parametrize("side", list(Side))
async def test_a_refused_order_is_sent_three_times_at_once(tmp_path: Path, side: Side) -> None:
    async with account(tmp_path) as bot:
        if side is Side.SELL:
            await bot.buy()
        before = len(bot.venue.sent)
        bot.venue.plan += [refusing("rate_limited", transient=True)] * 9
        done = await (bot.buy() if side is Side.BUY else bot.signal())
        assert done.refused == "rate_limited"
        assert len(bot.venue.sent) - before == 3


async def test_the_account_is_free_while_a_refused_order_waits(tmp_path: Path) -> None:
    async with account(tmp_path, stop_offset="0.005") as bot:
        await bot.buy()
        bot.venue.plan += [refusing("rate_limited", transient=True)] * 2
        looked: list[int] = []
        started_ms = bot.clock.now_ms()

        async def other() -> None:
            async with bot.clock.joined():
                await bot.clock.sleep_until(started_ms + 100)
                async with bot.lock:
                    looked.append(bot.clock.now_ms() - started_ms)
                    await bot.exits.look(SYMBOL, Price(D(100), bot.clock.now_ms()))

        task = asyncio.create_task(other())
        await asyncio.sleep(0)
        async with bot.lock:
            await bot.signal()
        await task
        assert looked == [100]
        assert bot.held() == bot.venue.held["BTC"] == 0
        assert [order.open for order in await bot.venue.orders(SYMBOL, 0)] == [False] * len(bot.venue.acks)


async def test_a_person_whose_order_locks_the_coins_is_told_which_it_is(tmp_path: Path) -> None:
    """At once, and no stop that the bot itself lifted is blamed."""
    async with account(tmp_path, stop_offset="0.005") as bot:
        await bot.buy()
        await bot.look()
        bot.venue.others.append(by_hand("4711", D("0.5")))
        bot.venue.plan += [refusing("insufficient_funds")] * 2
        await bot.signal()
        (told,) = await bot.alerts()
        assert "order 4711 of 0.5 at 120" in told
        await bot.watch(120)
        assert bot.held() == 0
        assert await bot.alerts("important") == []


async def test_an_order_that_does_not_end_is_published_and_told(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        await bot.buy()
        bot.venue.plan.append(lambda intent: bot.venue.told(intent, final=False, filled=D(0)))
        await bot.signal()
        await bot.watch(140)
        await bot.bus.drain()
        (event,) = [payload for topic, payload in bot.heard if topic == "trade.settlement.timeout"]
        assert 120 < event["age_s"] <= 130
        assert bot.held() == 0


def falls_to(bot: Account, price: Decimal) -> None:
    bot.venue.price = price
    bot.trader.book.mark(SYMBOL, price)


async def test_a_rest_that_has_waited_is_measured_against_the_price_of_now(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        await bot.buy(cost="5000")
        bot.venue.plan += [tenth(bot)] * 5
        await bot.signal()
        falls_to(bot, D(99))
        await bot.watch(65)
        assert [order.reference for order in bot.venue.sells()] == [D(100)] * 5 + [D(99)]
        assert bot.trader.book.marks[SYMBOL] == D(99)


async def test_a_rest_that_its_stop_has_sold_keeps_no_entry_out_and_sells_nothing_later(
    tmp_path: Path,
) -> None:
    async with account(tmp_path) as bot:
        await bot.buy(cost="5000")
        bot.venue.plan += [tenth(bot)] * 5
        await bot.signal()
        assert bot.execution.no_entry(SYMBOL) == "broker_error"
        falls_to(bot, D(90))
        await bot.look()
        assert bot.held() == 0
        assert bot.execution.no_entry(SYMBOL) is None
        assert await bot.states(Purpose.SIGNAL_SELL) == ["done"] * 5 + ["abandoned"]
        await bot.buy(cost="45", ref="2")
        await bot.watch(120)
        assert bot.held() == D("0.5")


async def test_a_rest_that_is_too_small_to_sell_is_dust_at_once(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        await bot.buy()
        bot.venue.plan.append(lambda intent: bot.venue.fill(intent, "0.49"))
        await bot.signal()
        assert bot.held() == 0
        assert bot.trader.book.dust()[SYMBOL].quantity == D("0.01")
        assert len(bot.venue.sells()) == 1
        assert await bot.states(Purpose.SIGNAL_SELL) == ["done"]
