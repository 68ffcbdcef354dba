"""Reconciliation of a bot on a real database with a venue that others use too."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import attrs
import pytest

from cab_core.domain.orders import Side, client_order_id
from cab_core.domain.reconcile import Kind
from cab_core.errors import CabError
from cab_core.ports import Committed
from cab_core.storage import journal_rows, load_positions, load_reconciliations, verify_journal

pytestmark = pytest.mark.reconciliation

SYMBOL = "BTC/USDT"
STRAY = client_order_id("another bot", 1)


def kinds(result: Any) -> list[Kind]:
    return [finding.kind for finding in result.findings]


async def rows(bot: Any) -> list[tuple[str, str]]:
    return [(row.kind, row.ref) for row in await bot.store.read(lambda conn: list(journal_rows(conn)))]


async def test_a_book_that_agrees_is_clean_and_lets_entries_in(desk: Any) -> None:
    async with desk.bot() as bot:
        assert bot.reconciler.blocks(SYMBOL) == "reconcile_mismatch"  # nobody has looked yet
        await bot.buy()
        result = await bot.cycle()

        assert (result.clean, result.findings) == (True, ())
        assert bot.reconciler.blocks(SYMBOL) is None
        stored = await bot.store.read(load_reconciliations)
        assert [(row.symbol, row.findings, row.corrected) for row in stored] == [(SYMBOL, [], [])]
        await bot.bus.drain()
        completed = [payload for topic, payload in bot.events if topic == "reconciliation.completed"]
        assert [(one["symbol"], one["mismatches"]) for one in completed] == [(SYMBOL, [])]


@pytest.mark.catalogue(46)
async def test_position_mismatch_auto_corrected(desk: Any) -> None:
    async with desk.bot() as bot:
        await bot.buy()
        desk.venue.trade_by_hand("-0.4")

        first = await bot.cycle()
        assert kinds(first) == [Kind.POSITION_SHORT]
        assert first.corrected == ()
        assert 0 <= first.duration_ms < 60_000
        assert bot.held() > desk.venue.base()
        assert bot.reconciler.blocks(SYMBOL) == "reconcile_mismatch"

        second = await bot.cycle()
        assert kinds(second) == [Kind.POSITION_SHORT]
        assert bot.held() == desk.venue.base()
        assert bot.trader.book.positions[SYMBOL].protection.quantity == desk.venue.base()

        assert (await bot.cycle()).clean
        assert bot.reconciler.blocks(SYMBOL) is None

        sold = [fill for fill in await bot.fills() if fill.side is Side.SELL]
        assert [(f.trade_id.split(":")[0], f.quantity, f.price) for f in sold] == [
            ("estimated", Decimal("0.4"), Decimal(100))
        ]
        assert ("position.adjusted", SYMBOL) in await rows(bot)
        assert await bot.store.read(verify_journal) == []
    async with desk.bot() as again:
        assert again.held() == desk.venue.base()
        assert (await again.cycle()).clean


@pytest.mark.catalogue(46)
async def test_a_shortfall_that_changes_is_not_believed_yet(desk: Any) -> None:
    async with desk.bot() as bot:
        await bot.buy()
        for _ in range(4):
            desk.venue.trade_by_hand("-0.1")
            assert (await bot.cycle()).corrected == ()
        assert (await bot.cycle()).corrected != ()


async def test_everything_sold_by_hand_closes_the_position(desk: Any) -> None:
    async with desk.bot() as bot:
        await bot.buy()
        desk.venue.trade_by_hand(str(-desk.venue.base()))
        await bot.cycle()
        await bot.cycle()
        assert SYMBOL not in bot.trader.book.positions
        assert bot.held() == 0
        assert await bot.store.read(load_positions) == {}
        assert (await bot.cycle()).clean


@pytest.mark.catalogue(47)
async def test_a_deposit_is_reported_and_ignored(desk: Any) -> None:
    async with desk.bot() as bot:
        await bot.buy()
        held = bot.held()
        desk.venue.trade_by_hand("3")
        for _ in range(6):
            result = await bot.cycle(force=True)
            assert kinds(result) == [Kind.UNMANAGED]
            assert result.clean
        assert bot.held() == held
        assert bot.reconciler.blocks(SYMBOL) is None
        assert await bot.alerts() == []


@pytest.mark.catalogue(38, 157)
async def test_a_foreign_order_is_reported_and_never_touched(desk: Any) -> None:
    async with desk.bot() as bot:
        desk.venue.place("web-order")
        desk.venue.place("", "o2", stop=True)
        for _ in range(6):
            result = await bot.cycle(force=True)
            assert kinds(result) == [Kind.FOREIGN_ORDER, Kind.FOREIGN_ORDER]
            assert result.clean
        assert desk.venue.canceled == []
        assert set(desk.venue.others) == {"o1", "o2"}
        assert await bot.alerts() == []


@pytest.mark.catalogue(39)
async def test_phantom_order_cleanup(desk: Any) -> None:
    async with desk.bot() as bot:
        desk.venue.place(STRAY)
        result = await bot.cycle()

        assert kinds(result) == [Kind.STRAY_ORDER]
        assert result.findings[0].severity == "critical"
        assert desk.venue.canceled == ["o1"]
        assert [severity for severity, _ in await bot.alerts()] == ["critical"]
        assert ("order.stray.cancel", "o1") in await rows(bot)
        assert bot.reconciler.blocks(SYMBOL) == "reconcile_mismatch"

        assert (await bot.cycle()).clean
        assert bot.reconciler.blocks(SYMBOL) is None


@pytest.mark.catalogue(40)
async def test_an_order_that_no_listing_shows_stays_open_until_there_is_evidence(desk: Any) -> None:
    async with desk.bot("0.005") as bot:
        await bot.buy()
        await bot.settled()
        await bot.protector.tend(SYMBOL)
        (stop,) = bot.execution.open_intents(SYMBOL)
        desk.venue.lost.add(stop.intent.client_id)
        resting, desk.venue._matcher._resting = desk.venue._matcher._resting, {}

        for _ in range(2):
            result = await bot.cycle()
            assert Kind.ORDER_NOT_OPEN in kinds(result)
            assert bot.execution.open_intents(SYMBOL)

        desk.venue._matcher._resting = resting
        desk.venue.lost.clear()
        assert (await bot.cycle()).clean
        assert [order.intent for order in bot.execution.open_intents(SYMBOL)] == [stop.intent]


@pytest.mark.catalogue(40)
async def test_what_no_listing_shows_has_sold_what_the_account_lacks_after_two_minutes(desk: Any) -> None:
    async with desk.bot("0.005") as bot:
        await bot.buy()
        await bot.settled()
        await bot.protector.tend(SYMBOL)
        (stop,) = bot.execution.open_intents(SYMBOL)
        desk.venue.lost.add(stop.intent.client_id)
        desk.venue.cancel_by_hand(stop.intent.client_id)  # and the coins it held are free
        for _ in range(2):
            await bot.cycle()

        desk.venue.trade_by_hand("-0.5")
        for _ in range(2):
            assert (await bot.cycle()).corrected == ()  # balances may lag
            assert bot.execution.open_intents(SYMBOL)
        held = bot.held()
        await bot.cycle()
        assert bot.execution.open_intents(SYMBOL) == []
        assert 0 < held - bot.held() <= Decimal("0.5")
        alerts = [text for _, text in await bot.alerts()]
        assert sum(text.startswith("order_not_open in 4") for text in alerts) == 1

        await bot.protector.tend(SYMBOL)
        (again,) = desk.venue._matcher.resting(SYMBOL)
        assert again.client_id != stop.intent.client_id
        assert again.quantity <= desk.venue.base() < again.quantity + Decimal("0.0001")
        assert (await bot.cycle()).clean


@pytest.mark.catalogue(41)
async def test_a_trade_that_shows_up_late_shrinks_nothing(desk: Any) -> None:
    async with desk.bot() as bot:
        await bot.buy()
        await bot.settled()
        desk.venue.hidden = True
        await bot.sell(Decimal("0.5"))
        assert desk.venue.base() < bot.held()
        held = bot.held()

        for _ in range(3):
            await bot.settled(35)
            result = await bot.reconciler.run_once(SYMBOL, fix=True, force=True)
            assert kinds(result) == [Kind.ORDER_NOT_OPEN]
            assert bot.held() == held

        desk.venue.hidden = False
        assert (await bot.cycle()).clean
        assert bot.held() == desk.venue.base()
        assert all(not fill.trade_id.startswith("estimated") for fill in await bot.fills())


@pytest.mark.catalogue(41)
async def test_a_trade_that_does_not_show_up_in_time_is_estimated_once(desk: Any) -> None:
    """Also where it shows up after all: what the venue said was sold is sold, and not twice."""
    async with desk.bot() as bot:
        await bot.buy()
        await bot.settled()
        desk.venue.hidden = True
        await bot.sell(Decimal("0.5"))
        for _ in range(4):
            await bot.cycle()
        assert bot.held() == desk.venue.base()
        desk.venue.hidden = False
        assert (await bot.cycle()).clean
        assert bot.held() == desk.venue.base()
        assert [fill.quantity for fill in await bot.fills() if fill.trade_id.startswith("estimated")] == [
            Decimal("0.5")
        ]


@pytest.mark.catalogue(41)
async def test_a_stop_that_sells_while_the_venue_is_read_shrinks_nothing(desk: Any) -> None:
    async with desk.bot("0.005") as bot:
        await bot.buy()
        await bot.settled()
        await bot.protector.tend(SYMBOL)
        listed = desk.venue.orders

        async def sold_after_the_listing(symbol: str, since_ms: int) -> Any:
            found = await listed(symbol, since_ms)
            desk.venue.hidden = True
            desk.venue.prices.bid = Decimal("94.9")
            await desk.venue.quote(symbol)
            return found

        desk.venue.orders = sold_after_the_listing
        assert (await bot.cycle(force=True)).corrected == ()
        assert desk.venue.base() < Decimal("0.0001") < bot.held()

        desk.venue.orders, desk.venue.hidden = listed, False
        await bot.cycle()
        assert all(not fill.trade_id.startswith("estimated") for fill in await bot.fills())
        assert SYMBOL not in bot.trader.book.positions


@pytest.mark.catalogue(31)
@pytest.mark.parametrize("verb", ["orders", "fills_since", "balances"])
async def test_a_listing_that_fails_is_no_evidence(desk: Any, verb: str) -> None:
    async with desk.bot() as bot:
        await bot.buy()
        desk.venue.trade_by_hand("-0.4")
        desk.venue.place(STRAY)
        held, before = bot.held(), await rows(bot)
        desk.venue.down = {verb}

        for _ in range(3):
            with pytest.raises(CabError, match="page 2"):
                await bot.cycle(force=True)

        assert bot.held() == held
        assert desk.venue.canceled == []
        assert await rows(bot) == before
        assert bot.reconciler.blocks(SYMBOL) == "reconcile_mismatch"


async def test_the_loop_goes_on_when_the_venue_does_not_answer(desk: Any) -> None:
    async with desk.bot() as bot:
        await bot.buy()
        desk.venue.down = {"orders"}
        loop = asyncio.create_task(_joined(desk.clock, bot.reconciler.run()))
        await asyncio.sleep(0)
        await bot.settled(90)
        assert bot.reconciler.latest == {}
        desk.venue.down = set()
        await bot.settled(120)
        assert bot.reconciler.latest[SYMBOL].clean
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)


async def _joined(clock: Any, work: Any) -> None:
    async with clock.joined():
        await work


@pytest.mark.catalogue(63)
async def test_a_stop_canceled_by_hand_is_reported_and_placed_again(desk: Any) -> None:
    async with desk.bot("0.005") as bot:
        await bot.buy()
        await bot.settled()
        await bot.protector.tend(SYMBOL)
        assert (await bot.cycle()).clean
        (stop,) = bot.execution.open_intents(SYMBOL)
        desk.venue.cancel_by_hand(stop.intent.client_id)

        assert kinds(await bot.cycle(fix=False)) == [Kind.ORDER_NOT_OPEN, Kind.STOP_MISSING]
        assert kinds(await bot.cycle()) == [Kind.STOP_MISSING]  # its end is settled by now
        await bot.protector.tend(SYMBOL)
        assert len(desk.venue._matcher.resting(SYMBOL)) == 1
        assert (await bot.cycle()).clean


@pytest.mark.catalogue(46, 63)
async def test_the_stop_follows_a_position_that_shrank(desk: Any) -> None:
    async with desk.bot("0.005") as bot:
        await bot.buy()
        await bot.settled()
        await bot.protector.tend(SYMBOL)
        (stop,) = bot.execution.open_intents(SYMBOL)
        desk.venue.cancel_by_hand(stop.intent.client_id)  # as one must, to sell by hand
        desk.venue.trade_by_hand("-0.5")
        for _ in range(3):
            await bot.cycle()
            await bot.protector.tend(SYMBOL)
        (resting,) = desk.venue._matcher.resting(SYMBOL)
        assert resting.quantity <= desk.venue.base() < resting.quantity + Decimal("0.0001")
        assert (await bot.cycle()).clean


@pytest.mark.catalogue(159)
async def test_a_dry_run_writes_nothing(desk: Any) -> None:
    async with desk.bot() as bot:
        await bot.buy()
        desk.venue.trade_by_hand("-0.4")
        desk.venue.place(STRAY)
        before = await rows(bot)

        for _ in range(3):
            result = await bot.cycle(fix=False)
            assert kinds(result) == [Kind.POSITION_SHORT, Kind.STRAY_ORDER]
            assert result.corrected == ()
        assert await rows(bot) == before
        assert await bot.store.read(load_reconciliations) == []
        assert desk.venue.canceled == []


@pytest.mark.catalogue(159)
async def test_force_corrects_at_once_and_a_second_pass_is_clean(desk: Any) -> None:
    async with desk.bot() as bot:
        await bot.buy()
        desk.venue.trade_by_hand("-0.4")
        desk.venue.place(STRAY)
        result = await bot.cycle(force=True)
        assert len(result.corrected) == 2
        assert bot.held() == desk.venue.base()
        assert (await bot.cycle()).clean


async def test_an_order_under_way_puts_the_verdict_off(desk: Any) -> None:
    async with desk.bot() as bot:
        desk.venue.hidden = True
        await bot.buy()
        result = await bot.reconciler.run_once(SYMBOL, fix=True)
        assert result.skipped == "busy"
        assert not result.clean
        assert await bot.store.read(load_reconciliations) == []


async def test_a_book_that_moves_while_the_venue_is_read_puts_the_verdict_off(desk: Any) -> None:
    async with desk.bot() as bot:
        await bot.buy()
        await bot.settled()
        quote = desk.venue.quote

        async def sold_meanwhile(symbol: str) -> Any:
            desk.venue.quote = quote
            await bot.sell(Decimal("0.5"))
            return await quote(symbol)

        desk.venue.quote = sold_meanwhile
        assert (await bot.reconciler.run_once(SYMBOL, fix=True, force=True)).skipped == "moved"
        assert (await bot.cycle()).clean


async def test_systematic_mismatch_alerts(desk: Any) -> None:
    async with desk.bot("0.005") as bot:
        await bot.buy()  # and nobody places its stop
        told = []
        for _ in range(22):
            await bot.cycle()
            told.append(len([text for _, text in await bot.alerts() if text.startswith("stop_missing")]))
        assert told == [0, 0, 0, *[1] * 15, *[2] * 4]


async def test_a_foreign_balance_is_taken_over_with_protection_and_without_cash(desk: Any) -> None:
    async with desk.bot() as bot:
        desk.venue.trade_by_hand("2")
        book = bot.trader.book
        cash, equity = book.quote_free, book.equity()
        result = await bot.cycle(adopt=True)

        assert result.corrected == ("took over 2 at 100.00",)
        assert bot.held() == 2
        assert book.positions[SYMBOL].protection.stop == Decimal(95)
        assert book.quote_free == cash
        assert book.equity() == equity + 200 == book.peak
        assert (await bot.cycle()).clean
    async with desk.bot() as again:
        assert again.held() == 2
        desk.venue.prices.bid = Decimal(110)
        await again.sell()
        assert again.trader.book.realized == 2 * 110 * Decimal("0.998") - 200


class _Killed(BaseException):
    """The process is gone."""


@attrs.define
class _DiesAtAdjustment:
    """A storage whose process dies right before or right after an adjustment is written."""

    inner: Any
    after: bool

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def commit(self, changes: Any) -> Committed:
        if not any(note.kind == "position.adjusted" for note in changes.notes):
            return await self.inner.commit(changes)
        if self.after:
            await self.inner.commit(changes)
        raise _Killed


async def _sold_by_hand(desk: Any) -> None:
    async with desk.bot() as bot:
        await bot.buy()
        desk.venue.trade_by_hand("-0.4")
        await bot.cycle(force=True)


@pytest.mark.catalogue(2, 46)
@pytest.mark.parametrize("after", [False, True])
async def test_a_kill_at_the_adjustment_books_it_once(desk: Any, after: bool) -> None:
    desk.wrap = lambda storage: _DiesAtAdjustment(storage, after)
    with pytest.raises(_Killed):
        await _sold_by_hand(desk)
    desk.wrap = lambda storage: storage
    async with desk.bot() as again:
        await again.cycle(force=True)
        assert again.held() == desk.venue.base()
        assert len([f for f in await again.fills() if f.trade_id.startswith("estimated")]) == 1
        assert (await again.cycle()).clean
