"""Notifiers that listen to people, kept running beside the trading, which never waits for them."""

from __future__ import annotations

import asyncio
import logging

from cab_core.app.desk.desk import Desk
from cab_core.app.desk.live import LiveDesk
from cab_core.app.desk.port import DeskPort
from cab_core.app.running import Running
from cab_core.clock import Clock, SystemClock
from cab_core.plugins.bound import Bound
from cab_core.plugins.isolation import describe, endure
from cab_core.plugins.registry import Plugins
from cab_core.sdk import OperatorDesk
from cab_core.storage import Store

log = logging.getLogger("cab.attending")

HOOK = "attend"
#: Longest pause before a listener that failed is called again, seconds; the pauses are 1, 2, 4 … s.
LONGEST_PAUSE_S = 60
#: One that worked this long before it failed begins with the shortest pause again, seconds.
SOUND_S = 300
#: How long listeners may take to end at the stop, seconds.
STOP_S = 5.0


async def attend_all(plugins: Plugins, desk: Desk, store: Store, clock: Clock | None = None) -> None:
    """Run the ``attend`` hooks of all notifiers that have one, until cancelled.

    A view of the run: start it as a task after the session is open, and cancel it at the stop.

    Args:
        plugins: the plugins of the run.
        desk: answers and commands.
        store: the bot's database, which keeps what a listener remembers.
        clock: for the pauses between failures; real time unless given, also on a recorded market.
    """
    clock = clock or SystemClock()
    tasks = [
        asyncio.create_task(
            _attended(bound, DeskPort(desk, store, bound.id), clock), name=f"attend {bound.id}"
        )
        for bound in plugins.notifiers
        if HOOK in bound.hooks
    ]
    if not tasks:
        return
    try:
        await asyncio.wait(tasks)
    finally:
        for task in tasks:
            task.cancel()
        _, late = await asyncio.wait(tasks, timeout=STOP_S)
        for task in late:
            log.warning("%s did not end within %g s", task.get_name().removeprefix(f"{HOOK} "), STOP_S)


async def _attended(bound: Bound, desk: OperatorDesk, clock: Clock) -> None:
    pause_s = 1
    while True:
        began = clock.monotonic()
        error = await endure(bound.hooks[HOOK], desk)
        if error is None:
            return
        if clock.monotonic() - began >= SOUND_S:
            pause_s = 1
        log.warning("%s failed, and is called again in %d s: %s", bound.id, pause_s, describe(error))
        await clock.sleep_until(clock.now_ms() + 1000 * pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


async def attended(running: Running) -> None:
    """Run the listeners of a run; a view of it (`cab_core.app.run.View`) beside the others."""
    desk = running.desk
    if isinstance(desk, LiveDesk):
        await attend_all(desk.plugins_loaded, desk, desk.store)
