"""A database that is older than the account, lost, or one of two: one stop, and a person is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs
import pytest
from served_account import SYMBOL, adjust, kinds, opened, total

from cab_core.app.verify import check_exchange, gather, violated
from cab_core.cycle.unknown_orders import LEFT_MS, RULE
from cab_core.domain.reconcile import Kind
from cab_core.storage import open_sync, release_halt
from cab_exchange_sim.testing import RunningExchange

pytestmark = pytest.mark.reconciliation

D = Decimal


def waiting(exchange: RunningExchange) -> list[Any]:
    return exchange.exchange.waiting_stops("main")


def resting(exchange: RunningExchange) -> Decimal:
    """Return the base that would be sold if every stop fired."""
    return sum((stop.request.amount for stop in waiting(exchange)), D(0))


async def begin_anew(gate: Any, exchange: RunningExchange) -> None:
    """Let the process end, with all that it remembers of its orders."""
    await gate.venue.close()
    gate.venue = opened(exchange, gate.clock)


async def guarded(bot: Any) -> None:
    """Reconcile, then look after the stop, as the loops do."""
    await bot.cycle()
    await bot.protector.tend(SYMBOL)


async def bought(bot: Any, ref: str = "1") -> None:
    await bot.buy(ref=ref)
    await bot.settled()
    await guarded(bot)


async def released(bot: Any) -> None:
    """Say, as an operator, that only this bot trades the account."""
    now_ms = bot.execution.clock.now_ms()
    await bot.store.transact(lambda conn: release_halt(conn, RULE, by="cli:me", ts_ms=now_ms))
    bot.trader.halts, _ = await bot.execution.storage.halts(now_ms)


def placed_by_hand(exchange: RunningExchange, like: Any, **changes: Any) -> Any:
    """Place a stop as a person does."""
    wished = attrs.evolve(like.request, **changes)
    return exchange.call(lambda: exchange.exchange.place_stop("main", wished))


def withdraw(exchange: RunningExchange, stop: Any) -> None:
    exchange.call(lambda: exchange.exchange.cancel_stop("main", stop.stop_id))


@asynccontextmanager
async def account_of_two_owners(gate: Any, exchange: RunningExchange) -> AsyncIterator[Any]:
    """A bot with a guarded position on an account where its owner has coins of his own."""
    adjust(exchange, "BTC", D(1))
    async with gate.bot("0.005") as bot:
        await bought(bot)
        assert resting(exchange) == bot.held() // D("0.0001") * D("0.0001")
        yield bot


def assert_halted_and_guarded_once(bot: Any, exchange: RunningExchange) -> None:
    assert [halt.rule for halt in bot.trader.halts.active(bot.execution.clock.now_ms())] == [RULE]
    assert len(waiting(exchange)) == 1
    assert resting(exchange) <= bot.held()
    assert bot.execution.standings.stop(SYMBOL) is not None


@pytest.mark.catalogue(39, 84)
async def test_a_lost_database_finds_the_stop_it_had_placed(gate: Any, exchange: RunningExchange) -> None:
    async with account_of_two_owners(gate, exchange) as bot:
        held = bot.held()
        (before,) = waiting(exchange)
    gate.database.unlink()
    await begin_anew(gate, exchange)
    async with gate.bot("0.005") as bot:
        await guarded(bot)
        assert bot.held() == held
        assert [stop.stop_id for stop in waiting(exchange)] == [before.stop_id]
        assert_halted_and_guarded_once(bot, exchange)
        assert any(f"cab risk reset {RULE}" in p["reason"] for t, p in bot.events if t == "emergency.stop")
        assert any("took over the unknown stop" in text for _, text in await bot.alerts())
        assert (await bot.cycle()).clean
    await begin_anew(gate, exchange)
    async with gate.bot("0.005") as bot:  # the halt and the stop outlive a restart
        await guarded(bot)
        assert_halted_and_guarded_once(bot, exchange)
        await released(bot)
        assert bot.trader.halts.active(bot.execution.clock.now_ms()) == ()


@pytest.mark.catalogue(39, 84)
async def test_a_restored_backup_finds_the_stop_that_came_after_it(
    gate: Any, exchange: RunningExchange
) -> None:
    async with account_of_two_owners(gate, exchange) as bot:
        pass
    copy = gate.back_up()
    async with gate.bot("0.005") as bot:
        half = bot.held() / 2 // D("0.0001") * D("0.0001")
        await bot.sell(half)
        await bot.settled()
        await guarded(bot)
        held = bot.held()
        (before,) = waiting(exchange)
    gate.restore(copy)
    await begin_anew(gate, exchange)
    async with gate.bot("0.005") as bot:
        assert Kind.STRAY_FILLS in kinds(await bot.cycle())
        await bot.protector.tend(SYMBOL)
        assert bot.held() == held
        assert [stop.stop_id for stop in waiting(exchange)] == [before.stop_id]
        assert_halted_and_guarded_once(bot, exchange)
        await bot.sell()
        assert waiting(exchange) == []
        assert total(exchange) - 1 - bot.held() == 0


@pytest.mark.catalogue(39)
async def test_two_bots_on_one_account_share_one_stop(
    gate: Any, exchange: RunningExchange, tmp_path: Any
) -> None:
    adjust(exchange, "BTC", D(1))
    other = type(gate)(tmp_path / "other")
    other.folder.mkdir()
    other.clock, other.venue = gate.clock, opened(exchange, gate.clock)
    async with gate.bot("0.005") as one, other.bot("0.005") as two:
        await bought(one, "a")
        await bought(two, "b")
        for _ in range(6):
            for bot in (one, two):
                await guarded(bot)
        managed = total(exchange) - 1
        assert one.held() == two.held() == managed
        for bot in (one, two):
            assert_halted_and_guarded_once(bot, exchange)
        assert resting(exchange) == managed // D("0.0001") * D("0.0001")
    await other.venue.close()


@pytest.mark.catalogue(38)
async def test_a_stop_that_a_person_placed_is_left_alone(gate: Any, exchange: RunningExchange) -> None:
    async with account_of_two_owners(gate, exchange) as bot:
        (own,) = waiting(exchange)
        theirs = placed_by_hand(exchange, own, amount=D("0.5"))
        for _ in range(4):
            await guarded(bot)
        assert {stop.stop_id for stop in waiting(exchange)} == {own.stop_id, theirs.stop_id}
        for halted in (False, True):  # a halt over something else changes nothing about it
            if halted:
                await bot.reconciler.unknown.halt("an order of another instance", "0" * 16)
            (own,) = [stop for stop in waiting(exchange) if stop.stop_id != theirs.stop_id]
            withdraw(exchange, own)
            for _ in range(4):
                await guarded(bot)
            assert theirs.stop_id in {stop.stop_id for stop in waiting(exchange)}
            assert len(waiting(exchange)) == 2, "its own stop rests again beside theirs"
            assert bool(bot.trader.halts.active(bot.execution.clock.now_ms())) is halted


@pytest.mark.catalogue(38, 39)
async def test_an_unknown_stop_under_another_offset_is_asked_about_once(
    gate: Any, exchange: RunningExchange
) -> None:
    async with account_of_two_owners(gate, exchange):
        (before,) = waiting(exchange)
    gate.database.unlink()
    await begin_anew(gate, exchange)
    async with gate.bot("0.01") as bot:
        for _ in range(4):
            await guarded(bot)
        assert [stop.stop_id for stop in waiting(exchange)] == [before.stop_id]
        assert bot.execution.standings.stop(SYMBOL) is None
        assert [halt.rule for halt in bot.trader.halts.active(bot.execution.clock.now_ms())] == [RULE]
        assert_is_asked(await bot.alerts())
        await released(bot)
        await guarded(bot)
        assert bot.execution.standings.stop(SYMBOL) is not None
        assert before.stop_id in {stop.stop_id for stop in waiting(exchange)}
        assert bot.trader.halts.active(bot.execution.clock.now_ms()) == ()


@pytest.mark.catalogue(39, 84)
async def test_a_stop_on_coins_that_only_the_bot_has_is_its_own(gate: Any, exchange: RunningExchange) -> None:
    async with gate.bot("0.005") as bot:
        await bought(bot)
        (before,) = waiting(exchange)
    gate.database.unlink()
    await begin_anew(gate, exchange)
    async with gate.bot("0.01") as bot:
        for _ in range(3):
            await guarded(bot)
        assert [stop.stop_id for stop in waiting(exchange)] == [before.stop_id]
        assert_halted_and_guarded_once(bot, exchange)


@pytest.mark.catalogue(38, 39)
async def test_no_stop_is_placed_beside_one_that_sells_what_the_bot_holds(
    gate: Any, exchange: RunningExchange
) -> None:
    async with gate.bot("0.005") as bot:
        await bought(bot)
        (own,) = waiting(exchange)
        half = own.request.amount / 2 // D("0.0001") * D("0.0001")
        theirs = placed_by_hand(exchange, own, amount=half)
        withdraw(exchange, own)
        for _ in range(4):
            await guarded(bot)
        assert [stop.stop_id for stop in waiting(exchange)] == [theirs.stop_id]
        assert_is_asked(await bot.alerts())


@pytest.mark.catalogue(84)
async def test_no_stop_is_placed_beside_an_unknown_one_before_the_first_comparison(
    gate: Any, exchange: RunningExchange
) -> None:
    async with account_of_two_owners(gate, exchange) as bot:
        (own,) = waiting(exchange)
        theirs = placed_by_hand(exchange, own, amount=D("0.5"))
    withdraw(exchange, own)
    async with gate.bot("0.005") as bot:
        await bot.settled()
        await bot.protector.tend(SYMBOL)
        assert [stop.stop_id for stop in waiting(exchange)] == [theirs.stop_id]
        for _ in range(4):
            await guarded(bot)
        assert len(waiting(exchange)) == 2


@pytest.mark.catalogue(39)
async def test_a_second_stop_that_nobody_lifts_is_canceled(gate: Any, exchange: RunningExchange) -> None:
    async with account_of_two_owners(gate, exchange) as bot:
        (own,) = waiting(exchange)
        placed_by_hand(exchange, own)
        await guarded(bot)
        assert_is_asked(await bot.alerts())
        await bot.settled(LEFT_MS // 1000)
        await guarded(bot)
        assert [stop.stop_id for stop in waiting(exchange)] == [own.stop_id]
        assert_halted_and_guarded_once(bot, exchange)


@pytest.mark.catalogue(84)
async def test_verify_counts_what_is_not_managed(gate: Any, exchange: RunningExchange) -> None:
    async with account_of_two_owners(gate, exchange) as bot:
        assert "I5" not in await broken(gate)
        (own,) = waiting(exchange)
        placed_by_hand(exchange, own)
        assert resting(exchange) < total(exchange)
        assert resting(exchange) > bot.held()
        assert "I5" in await broken(gate)


async def broken(gate: Any) -> set[str]:
    with open_sync(gate.database) as conn:
        evidence = gather(conn)
    return {result.name for result in violated(await check_exchange(evidence, gate.venue))}


def assert_is_asked(alerts: list[tuple[str, str]]) -> None:
    asked = [text for severity, text in alerts if severity == "critical" and "an unknown stop" in text]
    assert len(asked) == 1
    assert f"cab risk reset {RULE}" in asked[0]
