"""What watches over a run on a venue's own prices: none of it decides, all of it can stop entries."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import attrs

from cab_core.app.bus import OpenBus
from cab_core.app.dead_man import wanted, watch_command
from cab_core.app.ids import SystemIds
from cab_core.app.instance import Circuit
from cab_core.app.local_files import database_file
from cab_core.app.session import Session
from cab_core.clock import Clock
from cab_core.cycle import clock_watch, watchdog
from cab_core.cycle.clock_watch import ClockWatch
from cab_core.cycle.gate import GateTeller
from cab_core.cycle.probes import (
    ApiLatency,
    BrokerAnswers,
    DiskFree,
    Evaluations,
    LastDuration,
    LoopLag,
    StorageWrites,
)
from cab_core.cycle.supervise import Loop
from cab_core.cycle.watchdog import Probe, Watchdog
from cab_core.errors import CabError, LockedError
from cab_core.ports import Changes, Committed, Ids, Storage
from cab_core.safety.ballast import Ballast, provident
from cab_core.safety.instance_lock import FileMark, Holder, still_mine
from cab_core.safety.notify import ServiceManager
from cab_core.safety.patience import Patience
from cab_core.safety.starts import StartVerdict
from cab_core.safety.watchman import Watchman
from cab_core.sdk import Broker
from cab_core.settings.schema import Settings

log = logging.getLogger("cab.guards")

#: Time between looks at the files, the watching process and the ballast, milliseconds.
ROUND_MS = 10_000

#: Seconds a service manager is asked to allow a start that waits, from each word of it on.
START_S = 120

#: A call of the exchange that takes longer than this many seconds is slow.
SLOW_S = 1.0


@attrs.frozen(slots=True, kw_only=True)
class Invocation:
    """How a run was called, for the process that watches over it.

    Attributes:
        restart: the whole command line. ``config``, ``overrides``: its ``--config`` and ``--set``.
        secrets: credentials that were taken out of the environment.
    """

    restart: Sequence[str] = ()
    config: Path | None = None
    overrides: Sequence[str] = ()
    secrets: Mapping[str, str] = attrs.field(factory=dict, repr=False)


@attrs.define(eq=False, kw_only=True)
class Guards:
    """The watchers of one run.

    Attributes:
        circuits: what else says that entries must wait: the instance key is not surely ours.
        epoch: of the hold on the database, for the heartbeat.
        start: what the record of starts allows.
        ids: of what the watchers say: nothing of it belongs to a cycle.
        on_call: told the broker's verb and the seconds of each call of the exchange.
        losses: why the instance key was lost, empty while it is held.
        dog: the watchdog with its last findings, once a session is watched.
    """

    settings: Settings
    clock: Clock
    opened: OpenBus
    circuits: Sequence[Circuit]
    storage: Storage
    holder: Holder
    epoch: int
    start: StartVerdict
    watchman: Watchman | None
    ids: Ids = attrs.field(factory=SystemIds)
    losses: list[str] = attrs.field(factory=list, init=False)
    _stopping: asyncio.Future[None] | None = attrs.field(default=None, init=False)
    manager: ServiceManager = attrs.field(factory=lambda: ServiceManager.of(os.environ))
    latency: ApiLatency = attrs.field(factory=ApiLatency)
    on_call: Callable[[str, float], None] = lambda *_: None
    reconciled: LastDuration = attrs.field(factory=LastDuration)
    evaluations: Evaluations = attrs.field(init=False)
    ballast: Ballast = attrs.field(init=False)
    patience: Patience = attrs.field(init=False)
    dog: Watchdog | None = attrs.field(default=None, init=False)
    _unproven: bool = attrs.field(default=False, init=False)
    _session: Session | None = attrs.field(default=None, init=False)
    _watches: list[Circuit] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.evaluations = Evaluations(self.clock)
        self.ballast = Ballast.beside(database_file(self.settings))
        self.ballast.hold()
        self.patience = Patience(on_wait=self.beat)  # who waits for the database is no frozen kernel
        self._watches = [*self.circuits, self.ballast.entries_allowed]

    @property
    def provident(self) -> Storage:
        """The storage: it keeps room for exits when the disk is full, and the watching process informed."""
        return cast(Storage, _Told(provident(self.storage, self.ballast, self.patience), self.beat))

    def starting(self, status: str) -> None:
        """Say that the start goes on waiting: that is no freeze."""
        self.manager.extend(START_S, status)
        self.beat()

    def ready(self, status: str) -> None:
        """Say that what was left open is settled, compared and protected."""
        self.manager.ready(status)

    def stopping(self) -> None:
        """Say that a clean stop has begun: what follows is no death, and waits for no database."""
        self.manager.stopping()
        self.patience.end()
        if self.watchman is not None:
            self.watchman.goodbye()

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Let nobody close positions because a start was refused or stopped: that is no freeze."""
        ready = False
        try:
            yield
            ready = True
        finally:
            if not ready:
                self.stopping()
                self.close()

    def close(self) -> None:
        """End the watching process after a clean stop; one that fails leaves it to do its work."""
        if self.watchman is not None:
            self.watchman.close()

    def no_entry(self, _: str = "") -> str | None:
        """Say why no symbol may be entered now, None if nothing is wrong."""
        if self.start.safe_mode:
            return "safe_mode"
        if self.watchman is not None and (self._unproven or not self.watchman.alive()):
            return "dms_down"
        return next((reason for watch in self._watches if (reason := watch()) is not None), None)

    def beat(self) -> None:
        """Tell the watching process and the service manager that a supervision cycle is complete.

        While the session is being opened something is taken to be at stake.
        """
        self.manager.alive()
        if self.watchman is None:
            return
        if self._session is None:
            self.watchman.beat(self.epoch, 1, 0)
            return
        open_orders = sum(1 for _ in self._session.orchestrator.execution.standings)
        self.watchman.beat(self.epoch, open_orders, len(self._session.trader.book.positions))

    def observe(self, endpoint: str, seconds: float) -> None:
        """Take note of a call of the exchange. Waiting for a slow one is no freeze."""
        self.latency.observe(endpoint, seconds)
        self.on_call(endpoint, seconds)
        if self._session is None or seconds > SLOW_S:
            self.beat()

    def lose(self, reason: str) -> None:
        """Stop trading because another instance may have taken over."""
        self.losses.append(reason)
        if self._session is not None:
            self._stopping = asyncio.ensure_future(self._session.orchestrator.end())

    def refuse_if_lost(self) -> None:
        """Tell a run that ended because it lost its account to another instance.

        Raises:
            LockedError: it did.
        """
        if self.losses:
            raise LockedError(self.losses[0], where="INSTANCE_KEY_URL", fix="stop the other instance first")

    def watch(self, session: Session, broker: Broker) -> tuple[Loop, ...]:
        """Return the loops that watch a session."""
        self._session = session
        lag = LoopLag(self.clock)
        probes: dict[str, Probe] = {
            "db": StorageWrites(self.storage, self.clock),
            "broker": BrokerAnswers(broker),
            "api_latency": self.latency,
            "evaluations": self.evaluations,
            "loop": lag,
            "disk": DiskFree(self.ballast.path.parent),
        }
        if session.reconciler is not None:  # what is not compared cannot be well
            probes["reconcile"] = self.reconciled
        dog = Watchdog(
            self.clock,
            probes,
            watchdog.announce(self.opened.bus, self.clock, self.ids),
            self.settings.watchdog_interval_sec,
        )
        self.dog = dog
        clocks = ClockWatch(
            self.clock,
            broker.server_time_ms,
            on_jump=lambda _: session.compare(),
            on_change=clock_watch.announce(self.opened.bus, self.clock, self.ids),
        )
        self.opened.bus.subscribe("reconciliation.completed", self._compared)
        self._watches += [dog.entries_allowed, clocks.entries_allowed]
        gate = GateTeller(
            self.no_entry, self.opened.bus, self.clock, self.ids, self.settings.watchdog_interval_sec
        )
        loops = {
            "watchdog": dog.run,
            "lag": lag.run,
            "clock": clocks.run,
            "files": self._rounds,
            "gate": gate.run,
        }
        return tuple(Loop("account", name, make, background=True) for name, make in loops.items())

    async def _compared(self, topic: str, payload: Mapping[str, Any], trace_id: str) -> None:
        del topic, trace_id
        self.reconciled.observe(payload["duration_ms"] / 1000)

    async def _rounds(self) -> None:
        marks = [FileMark.of(path)] if (path := self._file()) is not None else []
        while True:
            if not still_mine(self.holder, *marks):
                raise LockedError(
                    "the lock file or the database was deleted or replaced while the bot ran",
                    where=self.holder.path,
                    fix="start again: the book is compared with the exchange before anything is traded",
                )
            self.ballast.hold()
            self._look_after_watchman()
            await self.clock.sleep_until(self.clock.now_ms() + ROUND_MS)

    def _file(self) -> Path | None:
        path = database_file(self.settings)
        return path if path.exists() else None

    def _look_after_watchman(self) -> None:
        """Replace a watching process that died; the new one is believed in when it still lives a round later.

        One that dies whenever it is started would let entries through between two deaths.
        """
        if self.watchman is None:
            return
        self._unproven = not self.watchman.alive()
        if not self._unproven:
            return
        try:
            self.watchman.respawn()
        except CabError as error:
            log.critical("nobody watches over this bot: %s", error)
        else:
            log.error("the dead man's switch had died; it was started again")


@attrs.frozen(eq=False)
class _Told:
    """Says what is at stake before it leaves the house: a bot that dies with its first order is not flat."""

    inner: Storage
    tell: Callable[[], None]

    async def commit(self, changes: Changes) -> Committed:
        written = await self.inner.commit(changes)
        if changes.moved or changes.fills:
            self.tell()
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def spawn_watchman(settings: Settings, called: Invocation) -> Watchman | None:
    """Start the process that closes the positions if this one freezes; None where it is not wanted."""
    if not wanted(settings):
        return None
    command = watch_command(
        settings, config=called.config, overrides=called.overrides, restart=called.restart
    )
    return Watchman.spawn(command, called.secrets)
