"""The watching process at work: hears the kernel, asks the state machine, does what it says.

Nothing heavy is imported before there is something to do: for most of its life this process only waits.
"""

from __future__ import annotations

import logging
import os
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from cab_core.domain.figures import quantity
from cab_core.errors import CabError, LockedError, StorageError
from cab_core.safety.dead_man import Action, DeadMan, FlattenReport, State, Timing
from cab_core.safety.fence import ProcessHandle
from cab_core.safety.heartbeat import Beat, Listener
from cab_core.safety.latch import Latch, write_latch

if TYPE_CHECKING:
    from cab_core.app.alerting.herald import Herald
    from cab_core.settings import Settings

log = logging.getLogger("cab.dms")

#: Where the function lives that closes positions: ``async flatten(settings) -> FlattenReport``.
FLATTEN = "cab_core.app.flatten:flatten"


@attrs.frozen(kw_only=True)
class Duty:
    """What a watcher watches over.

    Attributes:
        database: path of the database, whose neighbor the latch is.
        lock: the instance lock.
        timing: how long what may take.
        restart: command line of the kernel if this process is to start it again, else empty.
        config: ``--config`` of the kernel.
        overrides: ``--set`` of the kernel.
        flatten: module and function that close positions; empty to raise an alarm only.
    """

    database: Path
    lock: Path
    timing: Timing
    restart: tuple[str, ...] = ()
    config: Path | None = None
    overrides: tuple[str, ...] = ()
    flatten: str = FLATTEN

    def settings(self) -> Settings:
        """Load the settings as the kernel did.

        Raises:
            CabError: they are wrong by now.
        """
        from cab_core.settings import load_settings

        return load_settings(os.environ, Path.cwd(), self.overrides, self.config, require_run=False).settings

    async def close_positions(self) -> FlattenReport:
        """Close every position, as far as possible."""
        import importlib

        module, _, name = self.flatten.partition(":")
        report: FlattenReport = await getattr(importlib.import_module(module), name)(self.settings())
        return report


@attrs.define(eq=False)
class Watcher:
    """Watches one kernel until it ends cleanly, is succeeded by another, or its positions are closed.

    Args:
        duty: what to do.
        machine: decides.
        kernel: the process, None once the machine knows that it has ended.
        listener: its heartbeat, None if it cannot be heard.
    """

    duty: Duty
    machine: DeadMan
    kernel: ProcessHandle | None
    listener: Listener | None
    _restarted: subprocess.Popen[bytes] | None = attrs.field(default=None, init=False)
    _herald: Herald | None = attrs.field(default=None, init=False)

    def run(self) -> State:
        """Watch to the end and return `State.ENDED`, or `State.LATCHED` after positions were closed."""
        while not self.machine.over:
            self._wait()
            self._hear()
            self._act(self.machine.tick(time.monotonic(), successor=self._succeeded()))
        if self.machine.last is not None and self.kernel is None:
            log.warning("the dead man's switch ends: %s", self.machine.reason)
        if self._herald is not None:
            self._herald.finish()
        return self.machine.state

    def _wait(self) -> None:
        """Wait for a word, an end, or the next look at the clock."""
        timing = self.machine.timing
        poll = select.poll()
        if self.listener is not None and not self.listener.ended:
            poll.register(self.listener.fd, select.POLLIN)
        if self.kernel is not None:
            poll.register(self.kernel.fd, select.POLLIN)
        poll.poll(1000 * min(1.0, timing.recheck / 4, timing.restart_after / 8))

    def _hear(self) -> None:
        """Tell the machine what happened. What was said before the end is heard before the end."""
        gone = self.kernel is not None and self.kernel.gone()
        if self.listener is not None:
            for said in self.listener.read():
                if isinstance(said, Beat):
                    self.machine.beat(said, time.monotonic())
                else:
                    self.machine.goodbye()
            if self.listener.ended:
                self.machine.eof(time.monotonic())
        if gone:
            self.kernel = None
            self._act(self.machine.exited())

    def _succeeded(self) -> bool:
        """Say whether another process holds the lock; its sidecar tells, the lock itself is not touched."""
        if self.machine.state is not State.RESTARTING:
            return False
        from cab_core.safety.instance_lock import living_holder

        holder = living_holder(self.duty.lock)
        return holder is not None and holder.pid != os.getpid()

    def _act(self, actions: Sequence[Action]) -> None:
        for action in actions:
            self._open_log()
            if action is Action.KILL:
                self._kill()
            elif action is Action.RESTART:
                self._restart()
            else:
                self._flatten()

    def _kill(self) -> None:
        log.critical("killing the kernel: %s", self.machine.reason)
        if self.kernel is not None and not self.kernel.kill():
            log.critical("the kernel may not be killed by this user: positions stay as they are")

    def _restart(self) -> None:
        log.critical("starting the kernel again: %s", self.machine.reason)
        try:
            self._restarted = subprocess.Popen(  # noqa: S603 - the kernel's own command line, no shell
                self.duty.restart, stdin=subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            log.critical("the kernel cannot be started again: %s", error)

    def _flatten(self) -> None:
        """Close the positions while holding the lock: whoever starts a kernel now is sent away."""
        if not self.duty.flatten:
            log.critical("nobody watches over the open positions: %s", self.machine.reason)
            self._tell(f"nobody watches over the open positions: {self.machine.reason}")
            self.machine.flattened()
            return
        from cab_core.safety.exclusive import exclusive
        from cab_core.safety.instance_lock import DEAD_MAN

        database = self.duty.database if self.duty.database.is_file() else None  # a server has none
        try:
            with exclusive(self.duty.lock, database, _now_ms(), DEAD_MAN):
                self._close_positions()
                self.machine.flattened()
        except LockedError as error:
            log.warning("positions are not closed: %s", error)
            self.machine.refused(time.monotonic())
        except StorageError as error:
            log.critical("positions cannot be closed yet: %s", error)
            self.machine.refused(time.monotonic())

    def _close_positions(self) -> None:
        import asyncio

        from cab_core.safety.flattening import flatten_until_done

        latch = Latch(since_ms=_now_ms(), reason=self.machine.reason, last=self.machine.last)
        self._set(latch)
        log.critical("closing all positions: %s", latch.reason)
        self._tell(f"the bot is dead, its positions are being closed: {latch.reason}")
        report = asyncio.run(flatten_until_done(self.duty.close_positions, _on_failure))
        self._set(attrs.evolve(latch, report=report))
        log.critical(
            "all positions are closed", extra={"context": {"sold": report.sold, "left": report.left}}
        )
        sold = (
            ", ".join(f"{symbol} {quantity(amount)}" for symbol, amount in report.sold.items()) or "nothing"
        )
        dust = "".join(
            f"; too small to sell: {symbol} {quantity(amount)}" for symbol, amount in report.left.items()
        )
        self._tell(f"all positions are closed (sold: {sold}{dust}); nothing starts before: cab dms ack")

    def _tell(self, text: str) -> None:
        """Tell people, beside the work."""
        if self._herald is None:
            from cab_core.app.alerting.herald import Herald

            self._herald = Herald(self.duty.settings, "emergency.stop")
        self._herald.say(text)

    def _set(self, latch: Latch) -> None:
        """Set the latch. That it cannot be written is no reason to leave positions alone."""
        try:
            write_latch(self.duty.database, latch)
        except StorageError as error:
            log.critical("%s", error)

    def _open_log(self) -> None:
        if logging.getLogger().handlers:
            return
        from cab_core.observability.logs import configure_logging

        try:
            settings = self.duty.settings()
        except CabError as error:
            configure_logging()
            log.critical("the settings cannot be read: %s", error)
        else:
            configure_logging(settings.log_level, settings.log_format, secrets=settings.secret_texts())


def _on_failure(attempt: int, why: str, pause_s: float) -> None:
    log.critical("attempt %d to close all positions failed, next in %g s: %s", attempt, pause_s, why)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
