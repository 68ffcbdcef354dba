"""Carries out the commands of operators: between two decisions, once, never without a row of the audit."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

import attrs

from cab_core.app.desk.base import require_one_of
from cab_core.app.desk.closing import close_by_hand, closed_done
from cab_core.app.desk.commands import (
    Action,
    Command,
    Done,
    Open,
    TransitionError,
)
from cab_core.app.desk.risk import release
from cab_core.app.desk.settling import settle
from cab_core.app.desk.task import REFUSALS, Task, kept, known, require_role, write_refusal
from cab_core.app.ids import SystemIds
from cab_core.app.running import Running
from cab_core.app.session import STATE_KEY
from cab_core.clock import stopped
from cab_core.cycle.orchestrator import Orchestrator
from cab_core.cycle.supervise import State
from cab_core.domain.position import Position
from cab_core.errors import NotRunningError
from cab_core.storage import Connection, Release, Store, kv_save, write_audit

log = logging.getLogger("cab.control")

#: The state each command leads to, and the states it may find.
_TARGETS: Mapping[Action, tuple[State, frozenset[State]]] = {
    Action.START: (State.RUNNING, frozenset({State.IDLE, State.RUNNING, State.STOPPED})),
    Action.PAUSE: (State.PAUSED, frozenset({State.RUNNING, State.PAUSED, State.STOPPED})),
    Action.RESUME: (State.RUNNING, frozenset({State.PAUSED, State.RUNNING})),
    Action.STOP: (State.STOPPED, frozenset(State)),
}
_FIXES: Mapping[State, str] = {
    State.IDLE: "start it first",
    State.RUNNING: "",
    State.PAUSED: "resume it, or stop it",
    State.STOPPED: "start it",
}


@attrs.define(eq=False)
class Control:
    """The commands on one running session.

    Attributes:
        running: the session, and what stops it.
        store: its database.
    """

    running: Running
    store: Store
    _under_way: set[asyncio.Task[Done]] = attrs.field(factory=set, init=False)

    async def do(self, command: Command) -> Done:
        """Carry a command out and write it to the audit, also if it is refused.

        Once begun it goes on to its end, also if the caller is canceled meanwhile.

        Raises:
            ForbiddenError: the role does not allow it.
            NotFoundError: no such symbol, rule or order.
            TransitionError: it does not fit the state.
            KeyReusedError: its key belongs to another command.
            NotRunningError: the run has ended.
            StorageError: the database refused; nothing was changed.
        """
        if self.running.ended:
            raise NotRunningError(f"{command.action}: the run has ended", where=command.symbol or "")
        doing = asyncio.create_task(self._do(command), name=f"command {command.action}")
        self._under_way.add(doing)
        doing.add_done_callback(self._under_way.discard)
        return await asyncio.shield(doing)

    async def _do(self, command: Command) -> Done:
        session = self.running.session
        now_ms = session.venue.clock.now_ms()
        task = Task(command=command, trace_id=SystemIds().trace_id(), now_ms=now_ms)
        try:
            self._check(command)
            # No virtual time may pass while the database writes: loops that wait for the lock would be late.
            async with stopped(session.venue.clock), session.orchestrator.lock:
                return await self._carry_out(task)
        except REFUSALS as error:
            await write_refusal(self.store, task, _plain(self.states()), error)
            log.warning("%s: refused: %s", task.by, error, extra={"trace_id": task.trace_id})
            raise

    async def _carry_out(self, task: Task) -> Done:
        if (answered := await known(self.store, task.command)) is not None:
            return answered
        if task.command.action is Action.RELEASE:
            return await self._release(task)
        if task.command.action is Action.SETTLE:
            execution = self.running.session.orchestrator.execution
            return await settle(execution, self.store, task, _plain(self.states()))
        if task.command.action is Action.CLOSE:
            return await self._close(task)
        return await self._move(task)

    def _check(self, command: Command) -> None:
        require_role(command)
        require_one_of(self.running.symbols, command.symbol)
        expected = command.symbol or "ALL"
        live = self.running.settings.mode == "live"
        if live and command.action is Action.CLOSE and command.confirm.upper() != expected.upper():
            what = f"closing {expected} was not confirmed"
            raise TransitionError(what, where="confirm", fix=f"say it twice: confirm = {expected}")

    # The states of symbols.

    async def _move(self, task: Task) -> Done:
        command, before = task.command, self.states()
        to, fitting = _TARGETS[command.action]
        asked = [command.symbol] if command.symbol is not None else list(before)
        moved = [symbol for symbol in asked if before[symbol] in fitting]
        if command.symbol is None and command.action is Action.PAUSE:
            # To pause a stopped symbol lets its exits by signal through again: that is asked for by name.
            moved = [symbol for symbol in moved if before[symbol] is not State.STOPPED]
        if not moved:
            raise _unfit(command, before[asked[0]])
        after = {**before, **dict.fromkeys(moved, to)}
        values = {f"{STATE_KEY}{symbol}": json.dumps(to) for symbol in moved if before[symbol] is not to}
        left = self.open(command.symbol)
        done = await self.store.transact(lambda conn: _moved(conn, task, before, after, values, left))
        self._apply(task, after)
        return done

    def _apply(self, task: Task, after: Mapping[str, State]) -> None:
        """Let the session follow what is durable now."""
        supervisor = self.running.session.orchestrator.supervisor
        log.info("%s", task.by, extra={"trace_id": task.trace_id, "symbol": task.command.symbol or ""})
        for symbol, state in after.items():
            supervisor.set_state(symbol, state, task.by, task.trace_id)

    def states(self) -> dict[str, State]:
        """Return the state of each symbol."""
        states = self.running.session.orchestrator.supervisor.states
        return {symbol: states.get(symbol, State.IDLE) for symbol in self.running.symbols}

    def open(self, symbol: str | None) -> tuple[Open, ...]:
        """Return what is open of a symbol, or all: what it holds, and what guards that."""
        orchestrator = self.running.session.orchestrator
        return tuple(
            _open(orchestrator, position)
            for held, position in sorted(orchestrator.trader.book.positions.items())
            if symbol in (None, held)
        )

    # Positions.

    async def _close(self, task: Task) -> Done:
        log.info("%s", task.by, extra={"trace_id": task.trace_id, "symbol": task.command.symbol or ""})
        closings = await close_by_hand(self.running.session.orchestrator, task)
        states, left = _plain(self.states()), self.open(task.command.symbol)
        return await self.store.transact(lambda conn: closed_done(conn, task, closings, states, left))

    # Halts.

    async def _release(self, task: Task) -> Done:
        states, orchestrator = self.states(), self.running.session.orchestrator
        done = await self.store.transact(lambda conn: _released(conn, task, states))
        if done.changed:
            await orchestrator.decider.refresh_halts(task.now_ms)
        for rule in done.released:
            event = {"rule": rule, "by": task.command.actor.name}
            orchestrator.announcer.bus.publish("risk.released", event, task.trace_id)
        log.info("%s", task.by, extra={"trace_id": task.trace_id})
        return done


def _moved(
    conn: Connection,
    task: Task,
    before: Mapping[str, State],
    after: Mapping[str, State],
    values: Mapping[str, str],
    left: tuple[Open, ...],
) -> Done:
    kv_save(conn, values)
    changed = before != after
    entry = task.entry(_plain(before), _plain(after), "ok" if changed else "ok: nothing to do")
    seq = write_audit(conn, entry, task.now_ms)
    done = Done(
        action=str(task.command.action),
        states=_plain(after),
        changed=changed,
        positions=left,
        trace_id=task.trace_id,
        audit_seq=seq,
    )
    return kept(conn, task, done)


def _open(orchestrator: Orchestrator, position: Position) -> Open:
    symbol, protection = position.symbol, position.protection
    stop = orchestrator.execution.standings.stop(symbol)
    return Open(
        symbol=symbol,
        quantity=position.quantity,
        stop=None if protection is None else protection.stop,
        resting_stop=None if stop is None else stop.intent.order_id,
        watched=orchestrator.exits.watched(symbol),
    )


def _released(conn: Connection, task: Task, states: Mapping[str, State]) -> Done:
    actor = task.command.actor
    found = release(conn, task.command.rule, f"{actor.surface}:{actor.name}", task.now_ms)
    rules = tuple(each.halt.rule for each in found)
    outcome = "ok" if found else "ok: nothing to do"
    entry = task.entry({"halts": [_halt(each) for each in found]}, {"halts": []}, outcome)
    done = Done(
        action=str(task.command.action),
        states=_plain(states),
        changed=bool(found),
        released=rules,
        trace_id=task.trace_id,
        audit_seq=write_audit(conn, entry, task.now_ms),
    )
    return kept(conn, task, done)


def _halt(found: Release) -> dict[str, Any]:
    halt = found.halt
    return {"rule": halt.rule, "since_ms": halt.since_ms, "until_ms": halt.until_ms, "reason": halt.reason}


def _plain(states: Mapping[str, State]) -> dict[str, str]:
    return {symbol: str(state) for symbol, state in states.items()}


def _unfit(command: Command, state: State) -> TransitionError:
    what = command.symbol or "every symbol"
    return TransitionError(
        f"{what} is {state}: it cannot {command.action}", where=command.symbol or "symbol", fix=_FIXES[state]
    )
