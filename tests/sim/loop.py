"""An event loop without a selector and without real time: a day passes as fast as its work is done."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class DeadlockError(BaseException):
    """Every task waits and nothing will ever wake one."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Jumps to the next timer instead of waiting; it never enters the operating system.

    Raises `DeadlockError` where nothing is ready and no timer is set, and `RuntimeError` where a thread
    calls in: neither sockets nor threads have a place in a simulation.
    """

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._selector = self

    def time(self) -> float:
        """Return the virtual time of timers."""
        return self._now

    def select(self, timeout: float | None) -> tuple[()]:
        """Let the time pass at which the next timer is due."""
        if timeout is None:
            raise DeadlockError("every task waits for another one")
        self._now += timeout
        return ()

    def _process_events(self, events: object) -> None:
        del events

    def _write_to_self(self) -> None:
        """Refuse a call from another thread; finalizers of generators call from this one."""
        if threading.get_ident() != self._thread_id:
            raise RuntimeError("a thread has no place in a simulation")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a loop of its own."""
    loop = VirtualLoop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main)
    finally:
        _cancel_all(loop)
        asyncio.set_event_loop(None)
        loop.close()


def _cancel_all(loop: VirtualLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
