"""Supervises the loops of an orchestrator: states per symbol; a loop that raises goes on after a pause."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum

import attrs

from cab_core.clock import Clock, turn
from cab_core.errors import LockedError, StorageError
from cab_core.ports import Ids

log = logging.getLogger("cab.cycle")

#: Longest pause before a failed loop goes on, seconds; the pauses are 1, 2, 4 … s.
LONGEST_PAUSE_S = 60

#: Failures of a loop that lie closer together than this belong together: longer than a candle and a pause.
IN_A_ROW_MS = 20 * 60_000


class State(StrEnum):
    """State of a symbol. Idle and paused stop entries only, stopped every decision; no state stops exits."""

    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


#: The states that outlive a restart, and what lifts each.
LASTING: Mapping[State, str] = {State.PAUSED: "resume", State.STOPPED: "start"}

_ALLOWED: dict[State, frozenset[State]] = {
    State.IDLE: frozenset({State.RUNNING, State.STOPPED}),
    State.RUNNING: frozenset({State.PAUSED, State.STOPPED}),
    State.PAUSED: frozenset({State.RUNNING, State.STOPPED}),
    State.STOPPED: frozenset({State.RUNNING, State.PAUSED}),
}


@attrs.frozen(eq=False)
class Loop:
    """One loop: what it belongs to and what makes it (again after a failure).

    Attributes:
        background: it never ends by itself; it is cancelled once all other loops have ended.
    """

    symbol: str
    name: str
    make: Callable[[], Awaitable[None]]
    background: bool = False


@attrs.define(eq=False)
class Supervisor:
    """Runs loops until they end by themselves or are ended, and keeps the states of the symbols.

    Attributes:
        clock: the injected clock.
        ids: of what belongs to no cycle: a failure.
        on_state: told symbol, old state, new state, reason and trace id.
        on_failure: told symbol and name of a loop that raised, the error, how often in a row it has, and the
            trace id of the failure.
        failures: how often each loop raised.
    """

    clock: Clock
    ids: Ids
    on_state: Callable[[str, str, str, str, str], None]
    on_failure: Callable[[str, str, BaseException, int, str], None]
    failures: dict[tuple[str, str], int] = attrs.field(factory=dict, init=False)
    states: dict[str, State] = attrs.field(factory=dict, init=False)
    _rows: dict[tuple[str, str], tuple[int, int]] = attrs.field(factory=dict, init=False)
    _tasks: dict[asyncio.Task[None], Loop] = attrs.field(factory=dict, init=False)

    def set_state(self, symbol: str, to: State, reason: str, trace_id: str) -> bool:
        """Bring a symbol to a state; asking for the present state changes nothing.

        Returns:
            False if the transition is not allowed.
        """
        old = self.states.get(symbol, State.IDLE)
        if old is to:
            return True
        if to not in _ALLOWED[old]:
            return False
        self.states[symbol] = to
        self.on_state(symbol, str(old), str(to), reason, trace_id)
        return True

    def begin(self, symbol: str, state: State, trace_id: str) -> None:
        """Bring a symbol to the state it begins in."""
        self.states.setdefault(symbol, State.IDLE)
        if state is not State.IDLE:
            self.set_state(symbol, State.RUNNING, "start", trace_id)
        if state in LASTING:
            self.set_state(symbol, state, f"{state} before this start", trace_id)

    def no_entry(self, symbol: str) -> str | None:
        """Return the state in which an operator keeps a symbol from entries; None while it runs."""
        state = self.states.get(symbol, State.IDLE)
        return None if state is State.RUNNING else str(state)

    def decides(self, symbol: str) -> bool:
        """Say whether the symbol's candles are decided about: not while an operator has stopped it."""
        return self.states.get(symbol) is not State.STOPPED

    def end(self) -> None:
        """End all loops; `run` returns once they have ended. The states stay as they are."""
        for task in self._tasks:
            task.cancel()

    async def run(self, loops: Sequence[Loop]) -> None:
        """Run loops side by side until all but the background ones have ended.

        Raises:
            StorageError: the database failed: a bot that cannot remember must not trade.
            LockedError: another instance may trade this account.
        """
        ready = asyncio.Event()
        async with turn(self.clock):  # no virtual time passes before every loop has joined
            for loop in loops:
                task = asyncio.create_task(self._supervised(loop, ready), name=f"{loop.symbol}:{loop.name}")
                self._tasks[task] = loop
            await asyncio.sleep(0)
            ready.set()
        try:
            await self._ended()
        finally:
            self.end()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._tasks.clear()

    async def _ended(self) -> None:
        """Wait for the loops in the foreground; an error of any loop ends the waiting."""
        left = set(self._tasks)
        while any(not self._tasks[task].background for task in left):
            done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not task.cancelled() and (error := task.exception()) is not None:
                    raise error

    async def _supervised(self, loop: Loop, ready: asyncio.Event) -> None:
        async with turn(self.clock):
            await ready.wait()
            while True:
                try:
                    await loop.make()
                except (StorageError, LockedError):
                    raise
                except Exception as error:  # noqa: BLE001 - a supervisor: a loop must not take the others down
                    in_a_row = self._failed(loop, error)
                else:
                    return
                pause_s = min(2 ** min(in_a_row - 1, 16), LONGEST_PAUSE_S)
                await self.clock.sleep_until(self.clock.now_ms() + 1000 * pause_s)

    def _failed(self, loop: Loop, error: BaseException) -> int:
        """Tell of a failure; return the how many-eth in a row it is."""
        key, now_ms = (loop.symbol, loop.name), self.clock.now_ms()
        self.failures[key] = self.failures.get(key, 0) + 1
        count, last_ms = self._rows.get(key, (0, now_ms))
        count = count + 1 if now_ms - last_ms < IN_A_ROW_MS else 1
        self._rows[key] = count, now_ms
        trace_id = self.ids.trace_id()
        told = {"trace_id": trace_id, "symbol": loop.symbol}
        log.error("loop %s of %s failed: %s", loop.name, loop.symbol, error, exc_info=error, extra=told)
        self.on_failure(loop.symbol, loop.name, error, count, trace_id)
        return count
