"""Commands: who may give them, what they do, that each is done once and written down, and what survives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest
from operators_office import BTC, ETH, Office, order, until

from cab_core.api.web.access import Visitor
from cab_core.api.web.render import banner, environment
from cab_core.app.desk.commands import REQUIRED, Action, ForbiddenError, KeyReusedError, Role, TransitionError
from cab_core.app.desk.desk import Filter
from cab_core.app.desk.live import LiveDesk
from cab_core.app.running import Running
from cab_core.domain.booking import AppliedTo
from cab_core.domain.orders import Fill, Purpose, Side
from cab_core.errors import NotFoundError, NotRunningError
from cab_core.storage import Halt, save_halt, verify_journal, visit

Offices = Callable[..., Office]

#: A page without what is around it.
_PLAIN = environment().from_string("{% block page %}{% endblock %}{% block live %}{% endblock %}")


async def test_pause_stops_entries_and_survives_a_restart(office: Offices) -> None:
    bot = office()

    async def pausing(desk: LiveDesk, running: Running) -> None:
        await until(lambda: running.tally.orders >= 4)
        done = await desk.do(order(Action.PAUSE, Role.OPERATOR, symbol=BTC, reason="lunch"))
        assert (done.states, done.changed) == ({BTC: "paused"}, True)
        seen = running.tally.orders
        await until(lambda: running.tally.actions["hold"] > 60)
        assert running.tally.orders <= seen + 1  # the exit of what was held
        (row,) = (await desk.audit(Filter()))[0]
        assert (row.seq, row.trace_id, row.outcome) == (done.audit_seq, done.trace_id, "ok")
        assert (row.actor, row.role, row.surface, row.action) == ("anna", "operator", "api", "desk.pause")
        assert (row.before, row.after) == ({BTC: "running"}, {BTC: "paused", "reason": "lunch"})

    async def resuming(desk: LiveDesk, running: Running) -> None:
        status = await desk.status()
        assert [(each.state, each.blocked_by) for each in status.symbols] == [("paused", "paused")]
        await until(lambda: running.tally.cycles > 20)
        assert running.tally.orders == 0
        assert (await desk.do(order(Action.RESUME, Role.OPERATOR))).states == {BTC: "running"}
        await until(lambda: running.tally.orders >= 2)

    await bot.run(pausing)
    assert visit(bot.settings.db_path, verify_journal) == []
    await bot.run(resuming)
    assert [row.action for row in (await bot.cold.audit(Filter()))[0]] == ["desk.resume", "desk.pause"]


async def test_without_autostart_entries_wait_for_a_start(office: Offices) -> None:
    bot = office("AUTOSTART=false")

    async def starting(desk: LiveDesk, running: Running) -> None:
        assert (await desk.health()).orchestrators == {BTC: "idle"}
        await until(lambda: running.tally.cycles > 30)
        assert running.tally.orders == 0
        with pytest.raises(TransitionError, match="idle: it cannot pause"):
            await desk.do(order(Action.PAUSE, symbol=BTC))
        assert (await desk.do(order(Action.START, symbol=BTC))).changed
        await until(lambda: running.tally.orders >= 2)

    await bot.run(starting)
    reasons = {decision.reason for decision in (await bot.cold.decisions(Filter(limit=500)))[0]}
    assert "idle" in reasons


async def test_every_role_may_do_what_is_its_own_and_refusals_are_written_down(office: Offices) -> None:
    async def asking(desk: LiveDesk, _: Running) -> None:
        refused = 0
        for role in Role:
            for action in (Action.PAUSE, Action.RESUME, Action.START, Action.RELEASE):
                if role >= REQUIRED[action]:
                    await desk.do(order(action, role))
                else:
                    with pytest.raises(ForbiddenError):
                        await desk.do(order(action, role))
                    refused += 1
        with pytest.raises(ForbiddenError):
            await desk.do(order(Action.STOP, Role.OPERATOR))
        rows, _next = await desk.audit(Filter(limit=100))
        assert [row.outcome.partition(":")[0] for row in rows].count("refused") == refused + 1
        assert len(rows) == 13
        assert all(row.before == row.after for row in rows if row.outcome.startswith("refused"))

    await office().run(asking)


async def test_what_is_asked_twice_is_done_once_also_after_a_restart(office: Offices) -> None:
    bot, answers = office(), []

    async def asking(desk: LiveDesk, _: Running) -> None:
        answers.append(await desk.do(order(Action.PAUSE, symbol=BTC, key="key-1")))
        await desk.do(order(Action.RESUME, symbol=BTC))
        answers.append(await desk.do(order(Action.PAUSE, symbol=BTC, key="key-1")))
        assert desk.control.states()[BTC] == "running"  # the repetition had no effect
        with pytest.raises(KeyReusedError):
            await desk.do(order(Action.RESUME, symbol=BTC, key="key-1"))

    async def again(desk: LiveDesk, _: Running) -> None:
        answers.append(await desk.do(order(Action.PAUSE, symbol=BTC, key="key-1")))

    await bot.run(asking)
    await bot.run(again)
    assert answers[0] == answers[1] == answers[2]
    outcomes = [row.outcome for row in (await bot.cold.audit(Filter()))[0]]
    assert outcomes == ["refused: the idempotency key was used for another command", "ok", "ok"]


async def test_stop_is_a_state_that_start_lifts_and_that_outlives_a_restart(office: Offices) -> None:
    bot = office(symbols=(BTC, ETH))

    async def stopping(desk: LiveDesk, running: Running) -> None:
        await until(lambda: running.tally.cycles > 4)
        assert (await desk.do(order(Action.STOP, symbol=ETH))).states == {BTC: "running", ETH: "stopped"}
        with pytest.raises(TransitionError, match=f"{ETH} is stopped: it cannot resume") as refused:
            await desk.do(order(Action.RESUME, symbol=ETH))
        assert refused.value.fix == "start it"
        assert not (await desk.do(order(Action.STOP, symbol=ETH))).changed
        assert (await desk.do(order(Action.PAUSE))).states == {BTC: "paused", ETH: "stopped"}
        with pytest.raises(NotFoundError, match="BTC/USD"):
            await desk.do(order(Action.PAUSE, symbol="BTC/USD"))
        assert set((await desk.do(order(Action.STOP))).states.values()) == {"stopped"}
        seen, orders = running.tally.cycles, running.tally.orders
        await until(lambda: running.tally.cycles > seen + 40)  # the last stop does not end the run
        assert {running.tally.last[each].reason for each in (BTC, ETH)} == {"stopped"}
        assert running.tally.orders <= orders + 2  # the exits of what was held
        assert (await desk.do(order(Action.PAUSE, symbol=ETH))).states == {BTC: "stopped", ETH: "paused"}

    await bot.run(stopping)
    with pytest.raises(NotRunningError):
        await bot.cold.do(order(Action.PAUSE))

    async def starting(desk: LiveDesk, running: Running) -> None:
        assert desk.control.states() == {BTC: "stopped", ETH: "paused"}
        assert [each.blocked_by for each in (await desk.status()).symbols] == ["stopped", "paused"]
        done = await desk.do(order(Action.START))
        assert done.states == {BTC: "running", ETH: "paused"}  # a pause is not lifted by it
        await until(lambda: running.tally.orders >= 2)

    await bot.run(starting)

    async def looking(desk: LiveDesk, _: Running) -> None:
        assert desk.control.states() == {BTC: "running", ETH: "paused"}

    await bot.run(looking)
    assert "stopped" in {each.reason for each in (await bot.cold.decisions(Filter(limit=500)))[0]}


class Failing:
    """Stops at an exchange that never answers: no look comes to its end."""

    async def tend(self, _: str) -> None:
        raise RuntimeError("the stops cannot be looked at")


async def test_what_is_stopped_is_guarded_and_no_surface_says_so_when_it_is_not(office: Offices) -> None:
    async def stopping(desk: LiveDesk, running: Running) -> None:
        held = running.session.trader.book.positions
        await until(lambda: bool(held))
        done = await desk.do(order(Action.STOP))
        (left,) = done.positions
        assert (left.symbol, left.quantity, left.watched) == (BTC, held[BTC].quantity, True)
        assert left.stop == held[BTC].protection.stop
        exits = running.session.orchestrator.exits
        looked_ms = exits.looked_ms[BTC]
        await until(lambda: exits.looked_ms[BTC] > looked_ms)  # looked at while stopped
        assert (await desk.status()).symbols[0].position.watched
        assert (await desk.ready()).ready
        exits.protector = Failing()
        await until(lambda: exits.late(BTC))
        status, health = await desk.status(), await desk.health()
        assert not status.symbols[0].position.watched
        assert not health.components["exits"].ok
        assert (await desk.ready()).waiting_for == ["exits"]

    await office("STOP_LOSS_PCT=40", "TAKE_PROFIT_1_PCT=40", "TAKE_PROFIT_2_PCT=80").run(stopping)


async def test_a_halt_is_released_for_the_session_and_on_record(office: Offices) -> None:
    async def releasing(desk: LiveDesk, running: Running) -> None:
        trader = running.session.trader
        halt = Halt("daily_loss", desk.now_ms(), None, "daily_loss")
        await desk.store.transact(lambda conn: save_halt(conn, halt))
        trader.halts, _ = await running.session.orchestrator.records.storage.halts(desk.now_ms())
        assert (await desk.status()).symbols[0].blocked_by == "risk_daily_loss"
        assert (await desk.health()).status == "degraded"
        with pytest.raises(NotFoundError, match="daily_los'"):
            await desk.do(order(Action.RELEASE, rule="daily_los"))
        done = await desk.do(order(Action.RELEASE, rule="daily_loss"))
        assert (done.released, done.changed) == (("daily_loss",), True)
        risk = await desk.risk()
        assert (risk.entries_allowed, risk.halts) == (True, [])
        assert not (await desk.do(order(Action.RELEASE))).changed

    await office().run(releasing)


async def test_a_command_goes_on_though_nobody_waits_for_its_answer(office: Offices) -> None:
    async def leaving(desk: LiveDesk, _: Running) -> None:
        asked = asyncio.create_task(desk.do(order(Action.PAUSE)))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await until(lambda: desk.control.states()[BTC] == "paused")
        assert len((await desk.audit(Filter()))[0]) == 1

    await office().run(leaving)


async def test_a_reached_limit_is_told_before_an_entry_meets_it(office: Offices) -> None:
    async def losing(desk: LiveDesk, running: Running) -> None:
        book, now_ms = running.session.trader.book, desk.now_ms()
        assert (await desk.status()).symbols[0].blocked_by is None
        assert (await desk.risk()).entries_allowed
        for number, (side, price) in enumerate([(Side.BUY, 100), (Side.SELL, 99)] * 3):
            amounts = (Decimal("0.5"), Decimal(price), Decimal(0), "USDT", now_ms)
            book.apply(Fill(f"{number}", f"t-c{number}-1", BTC, side, *amounts), AppliedTo(Purpose.MANUAL))
        halted = False
        async with asyncio.timeout(20):
            while not halted:  # at the next snapshot of the equity, though no entry is tried
                status = await desk.status()
                assert status.symbols[0].blocked_by == "risk_loss_streak"
                streak = next(each for each in status.limits if each.rule == "loss_streak")
                assert (streak.value, streak.limit, streak.reached) == (3, 3, True)
                risk = await desk.risk()
                assert (risk.entries_allowed, risk.blocked_by) == (False, {BTC: "risk_loss_streak"})
                page = environment().get_template("risk.html.j2")
                around = {
                    "banner": banner(status),
                    "visitor": Visitor(name="anna", role=Role.ADMIN),
                    "panels": (),
                }
                shown = page.render(layout=_PLAIN, risk=risk, status=status, **around)
                assert "entries wait" in shown
                assert "entries allowed" not in shown
                halted = streak.halted

    await office("STRATEGY_ENABLED=false", "RISK_LOSS_STREAK_COUNT=3").run(losing)


async def test_a_position_is_closed_by_hand_once_whatever_holds_entries(office: Offices) -> None:
    bot = office(symbols=(BTC, ETH))

    async def closing(desk: LiveDesk, running: Running) -> None:
        book = running.session.trader.book
        with pytest.raises(NotFoundError, match="DOGE"):
            await desk.do(order(Action.CLOSE, symbol="DOGE/USDT"))
        with pytest.raises(ForbiddenError):
            await desk.do(order(Action.CLOSE, Role.OPERATOR, symbol=BTC))
        await until(lambda: BTC in book.positions and ETH in book.positions)
        await desk.do(order(Action.STOP))
        held = book.positions[BTC].quantity
        done = await desk.do(order(Action.CLOSE, symbol=BTC, reason="on leave", key="once"))
        (told,) = done.closings
        assert (told.symbol, told.state, told.sold + told.left, done.changed) == (BTC, "sold", held, True)
        assert BTC not in book.positions
        assert (book.trades[-1].symbol, book.trades[-1].exits[-1].reason) == (BTC, "manual")
        assert await desk.do(order(Action.CLOSE, symbol=BTC, reason="on leave", key="once")) == done
        with pytest.raises(TransitionError, match="BTC/USDT holds no position"):
            await desk.do(order(Action.CLOSE, symbol=BTC))
        everything = await desk.do(order(Action.CLOSE))
        assert [(each.symbol, each.state) for each in everything.closings] == [(ETH, "sold")]
        assert (everything.positions, everything.states) == ((), {BTC: "stopped", ETH: "stopped"})
        with pytest.raises(TransitionError, match="nothing is open"):
            await desk.do(order(Action.CLOSE))
        fills, _ = await desk.fills(Filter(symbol=BTC))
        assert fills[0].client_id == told.order
        orders, _ = await desk.orders(Filter(symbol=BTC))
        assert (orders[0].purpose, orders[0].trace_id) == ("manual", done.trace_id)
        (row,) = [row for row in (await desk.audit(Filter()))[0] if row.seq == done.audit_seq]
        assert (row.actor, row.after["reason"], row.outcome) == ("anna", "on leave", "ok")

    await bot.run(closing)
    assert visit(bot.settings.db_path, verify_journal) == []
    with pytest.raises(NotRunningError) as refused:
        await bot.cold.do(order(Action.CLOSE, symbol=BTC))
    assert "cab run" in refused.value.fix
