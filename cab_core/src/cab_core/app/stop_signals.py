"""The signals that stop a process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from cab_core.app.ids import SystemIds
from cab_core.app.running import Running
from cab_core.errors import ExitCode

log = logging.getLogger("cab.run")

_NAMES = ("SIGINT", "SIGTERM")


@contextmanager
def cancelled_by_signals() -> Iterator[None]:
    """Cancel the block at SIGINT or SIGTERM, until something inside of it takes the signals over.

    Raises:
        KeyboardInterrupt: one of them came.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    came: list[str] = []

    def on_signal(name: str) -> None:
        came.append(name)
        if task is not None:
            task.cancel()

    for name in _NAMES:
        loop.add_signal_handler(signal.Signals[name], on_signal, name)
    try:
        yield
    except asyncio.CancelledError:
        if came:
            raise KeyboardInterrupt(came[0]) from None
        raise
    finally:
        for name in _NAMES:
            loop.remove_signal_handler(signal.Signals[name])


@contextmanager
def stopped_by_signals(running: Running) -> Iterator[None]:
    """Stop cleanly at the first SIGINT or SIGTERM, at once at the second."""
    loop = asyncio.get_running_loop()
    pending: set[asyncio.Task[None]] = set()

    def on_signal(name: str) -> None:
        if running.ended in _NAMES:
            log.warning("%s again: stopping at once", name)
            os._exit(ExitCode.INTERRUPTED)
        running.end(name)
        log.info("%s: stopping after the present step", name, extra={"trace_id": SystemIds().trace_id()})
        pending.add(asyncio.create_task(running.session.orchestrator.end()))

    for name in _NAMES:
        loop.add_signal_handler(signal.Signals[name], on_signal, name)
    try:
        yield
    finally:
        for name in _NAMES:
            loop.remove_signal_handler(signal.Signals[name])
