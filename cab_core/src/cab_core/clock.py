"""Time as the shells see it: injected, so that a run can be real, virtual or accelerated."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, Protocol


class Clock(Protocol):
    """A source of time and of waiting."""

    def now_ms(self) -> int:
        """Return the current time in epoch milliseconds, UTC."""

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start; never steps back."""

    async def sleep_until(self, ts_ms: int, order: int = 0) -> None:
        """Wait until ``ts_ms``. At equal times a lower ``order`` wakes first (virtual clocks only)."""

    def parked(self) -> AbstractAsyncContextManager[None]:
        """Let time go on while the block waits for another task, as one waits for a lock."""


class TurnLock:
    """A lock whose waiters do not stop a virtual clock, so that its holder may sleep.

    Args:
        clock: whose sleepers take turns.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._holder: asyncio.Task[Any] | None = None

    async def __aenter__(self) -> None:
        await self._take()
        self._holder = asyncio.current_task()

    async def _take(self) -> None:
        # A lock that was just released belongs to its first waiter already, though it is not locked yet.
        if not self._waiting and not self._lock.locked():
            await self._lock.acquire()
            return
        held = False
        try:
            async with self._clock.parked():
                held = await self._handed()
        except asyncio.CancelledError:
            if held:
                self._lock.release()
            raise

    async def _handed(self) -> bool:
        self._waiting += 1
        try:
            return await self._lock.acquire()
        finally:
            self._waiting -= 1

    async def __aexit__(self, *_: object) -> None:
        if self._holder is asyncio.current_task():  # not if it was cancelled while it had given it away
            self._holder = None
            self._lock.release()

    @asynccontextmanager
    async def given_away(self) -> AsyncIterator[None]:
        """Let others have the lock for the length of the block, if this task holds it."""
        if self._holder is not asyncio.current_task():
            yield
            return
        await self.__aexit__()
        try:
            yield
        finally:
            await self.__aenter__()

    def from_outside(self) -> asyncio.Lock:
        """Return the lock for a task that takes no turns, such as one that a signal started."""
        return self._lock


class SystemClock:
    """The machine's clock. Intervals are measured on the monotonic clock, so a stepped wall clock is safe."""

    def now_ms(self) -> int:
        """Return the wall clock in epoch milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return the monotonic clock in seconds."""
        return time.monotonic()

    async def sleep_until(self, ts_ms: int, order: int = 0) -> None:  # noqa: ARG002 - real time needs no tie-break
        """Sleep on the monotonic clock for as long as the wall clock says is left."""
        await asyncio.sleep(max(0, ts_ms - self.now_ms()) / 1000)

    def parked(self) -> AbstractAsyncContextManager[None]:
        """Real time goes on by itself."""
        return nullcontext()


class VirtualClock:
    """Time that jumps to the next sleeper, so that a run takes as long as its work.

    It is a turnstile: of the tasks that joined, exactly one runs at a time; the others sleep. When the
    running one sleeps or leaves, the sleeper with the lowest ``(time, order, arrival)`` wakes. So the
    interleaving of tasks is the same on every run, even though a task may await a database thread meanwhile.

    Args:
        start_ms: the first value of the clock.
        speed: how many times faster than real time; 0 means as fast as possible.
        lead: awaited with the next time before it comes, for another process that shares this time. What it
            raises is raised by the sleep it was awaited for.
    """

    def __init__(
        self, start_ms: int, speed: float = 0.0, lead: Callable[[int], Awaitable[None]] | None = None
    ) -> None:
        self._now_ms = start_ms
        self._speed = speed
        self._lead = lead
        self._arrivals = itertools.count()
        self._sleepers: list[tuple[int, int, int, asyncio.Future[None]]] = []
        self._awake = 0
        self._pacing: asyncio.Task[None] | None = None

    def now_ms(self) -> int:
        """Return the virtual time in epoch milliseconds."""
        return self._now_ms

    def monotonic(self) -> float:
        """Return the virtual time in seconds; it never steps back."""
        return self._now_ms / 1000

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[None]:
        """Take part in the turnstile for the length of the block. Enter it before the first sleep."""
        self._awake += 1
        try:
            yield
        finally:
            self._awake -= 1
            self._wake_next()

    @asynccontextmanager
    async def parked(self) -> AsyncIterator[None]:
        """Leave the turnstile for the length of the block, then wait for a turn."""
        self._awake -= 1
        self._wake_next()
        try:
            yield
        finally:
            self._awake += 1
        await self.sleep_until(self._now_ms)

    @asynccontextmanager
    async def stopped(self) -> AsyncIterator[None]:
        """Let no time pass for the length of the block, which begins when nobody else is awake."""
        self._awake += 1
        try:
            if self._awake > 1:
                await self.sleep_until(self._now_ms, -1)  # before all others that are due now
            yield
        finally:
            self._awake -= 1
            self._wake_next()

    async def sleep_until(self, ts_ms: int, order: int = 0) -> None:
        """Sleep until the turnstile comes to ``ts_ms``; a time in the past means now, after a turn."""
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (max(ts_ms, self._now_ms), order, next(self._arrivals), turn))
        self._awake -= 1
        self._wake_next()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was our turn already: the block's end passes it on
                raise
            self._awake += 1
            raise

    def _wake_next(self) -> None:
        while self._sleepers and self._sleepers[0][3].cancelled():
            heapq.heappop(self._sleepers)
        if self._awake or not self._sleepers or self._pacing is not None:
            return
        ahead_ms = self._sleepers[0][0] - self._now_ms
        if ahead_ms > 0 and (self._speed or self._lead is not None):
            self._pacing = asyncio.get_running_loop().create_task(self._paced())
            self._pacing.add_done_callback(self._paced_out)
        else:
            self._turn()

    async def _paced(self) -> None:
        try:
            # Whoever was given a lock meanwhile has come back by now, and sleeps until now: no time passes.
            next_ms = self._sleepers[0][0] if self._sleepers else self._now_ms
            ahead_ms = next_ms - self._now_ms
            if ahead_ms > 0 and not self._awake:
                if self._lead is not None:
                    await self._lead(next_ms)
                if self._speed:
                    await asyncio.sleep(ahead_ms / 1000 / self._speed)
                if self._lead is not None:
                    self._now_ms = max(self._now_ms, next_ms)  # the other process is there already
        finally:
            self._pacing = None
        if not self._awake:
            self._turn()

    def _paced_out(self, pacing: asyncio.Task[None]) -> None:
        """Tell whoever's turn it is what went wrong: nobody awaits the pacing itself."""
        failed = None if pacing.cancelled() else pacing.exception()
        if failed is not None and not self._awake:
            self._turn(failed)

    def _turn(self, failed: BaseException | None = None) -> None:
        while self._sleepers:
            ts_ms, _, _, turn = heapq.heappop(self._sleepers)
            if not turn.cancelled():
                self._now_ms = max(self._now_ms, ts_ms)
                self._awake += 1
                if failed is None:
                    turn.set_result(None)
                else:
                    turn.set_exception(failed)
                return


def turn(clock: Clock) -> AbstractAsyncContextManager[None]:
    """Join the turnstile of a virtual clock; nothing to join on a real one."""
    return clock.joined() if isinstance(clock, VirtualClock) else nullcontext()


def stopped(clock: Clock) -> AbstractAsyncContextManager[None]:
    """Let no virtual time pass for the length of the block, for one who comes from outside of the loops."""
    return clock.stopped() if isinstance(clock, VirtualClock) else nullcontext()
