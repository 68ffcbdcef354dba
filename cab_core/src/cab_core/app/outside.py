"""A watcher that the bot does not know of: it sees that the process has ended, and whether cleanly."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from cab_core.app.dead_man import timing_of
from cab_core.app.local_files import database_file, lock_file
from cab_core.app.watcher import FLATTEN, Duty, Watcher
from cab_core.errors import NotRunningError
from cab_core.safety.dead_man import DeadMan, State
from cab_core.safety.fence import ProcessHandle
from cab_core.safety.heartbeat import Beat
from cab_core.safety.instance_lock import Holder, read_holder, sidecar_of
from cab_core.settings import Settings


def watch_outside(
    settings: Settings,
    holder: Holder,
    *,
    act: bool,
    config: Path | None = None,
    overrides: Sequence[str] = (),
    flatten: str = FLATTEN,
) -> str:
    """Wait for the end of a bot, and after a death for another one in its place.

    Args:
        settings: of the bot.
        holder: the bot, as the sidecar of its lock says.
        act: close all positions if nobody takes over; else only raise an alarm.
        config: ``--config`` of the bot.
        overrides: ``--set`` of the bot.
        flatten: module and function that close positions.

    Returns:
        Why an alarm was raised, empty if the bot was stopped or has a successor.
    """
    _wait_for_end(holder)
    now = time.monotonic()
    if read_holder(sidecar_of(lock_file(settings))) != holder:
        return ""  # a clean stop takes the sidecar away
    duty = Duty(
        database=database_file(settings),
        lock=lock_file(settings),
        timing=timing_of(settings),
        config=config,
        overrides=tuple(overrides),
        flatten=flatten if act else "",
    )
    machine = DeadMan(timing=duty.timing, now=now)
    machine.beat(Beat(now, 0, 0, positions=1), now)  # what it held is not known: assume something
    machine.exited()
    state = Watcher(duty, machine, None, None).run()
    return machine.reason if state is State.LATCHED else ""


def _wait_for_end(holder: Holder) -> None:
    try:
        process = ProcessHandle.of(holder.pid)
    except NotRunningError:
        return
    try:
        if holder.alive():  # else its id was used again before we took hold of it
            process.gone(None)
    finally:
        process.close()
