"""Ready-made probes of the watchdog. Each is called without arguments and returns a `Check`."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import attrs

from cab_core.clock import Clock
from cab_core.contracts import Broker
from cab_core.domain.watchdog import Check
from cab_core.ports import Changes, Cycle, Storage

#: Key under which the storage remembers when the watchdog last wrote.
BEAT = "watchdog"

#: It keeps a value that tells nobody anything and leaves no line in the journal.
NO_CAUSE = "-"
MIB = 1 << 20


@attrs.frozen
class StorageWrites:
    """The database takes a durable write."""

    storage: Storage
    clock: Clock

    async def __call__(self) -> Check:
        """Write a small value."""
        now_ms = self.clock.now_ms()
        await self.storage.commit(Changes(ts_ms=now_ms, trace_id=NO_CAUSE, values={BEAT: str(now_ms)}))
        return Check(ok=True)


@attrs.frozen
class BrokerAnswers:
    """The exchange answers a cheap question."""

    broker: Broker

    async def __call__(self) -> Check:
        """Ask for the time."""
        await self.broker.server_time_ms()
        return Check(ok=True)


@attrs.define
class ApiLatency:
    """Fewer than ``most`` of the newest calls of the exchange were slow.

    Attributes:
        limit_s: a call that takes longer is slow.
        calls: how many of the newest calls count.
    """

    limit_s: float = 1.0
    most: int = 3
    calls: int = 5
    _newest: deque[tuple[str, float]] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._newest = deque(maxlen=self.calls)

    def observe(self, endpoint: str, seconds: float) -> None:
        """Take note of one call, answered or not."""
        self._newest.append((endpoint, seconds))

    def last(self) -> float | None:
        """Return the seconds the newest call took, None before the first."""
        return self._newest[-1][1] if self._newest else None

    async def __call__(self) -> Check:
        """Count the slow calls."""
        slow = [f"{name} {seconds:.1f} s" for name, seconds in self._newest if seconds > self.limit_s]
        return Check(len(slow) < self.most, f"slow: {', '.join(slow)}" if slow else "")


class _Timed:
    def __init__(self, broker: Broker, clock: Clock, observe: Callable[[str, float], None]) -> None:
        self._broker, self._clock, self._observe = broker, clock, observe

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._broker, name)
        if name == "caps":
            return verb

        async def timed(*args: Any) -> Any:
            began = self._clock.monotonic()
            try:
                return await verb(*args)
            finally:
                self._observe(name, self._clock.monotonic() - began)

        return timed


def timed(broker: Broker, clock: Clock, observe: Callable[[str, float], None]) -> Broker:
    """Return the broker with ``observe(verb, seconds)`` called after each call, failed ones included."""
    return cast(Broker, _Timed(broker, clock, observe))


@attrs.define
class Evaluations:
    """A candle was evaluated not long ago, whatever came of it."""

    clock: Clock
    limit_s: float = 3600.0
    _last_s: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._last_s = self.clock.monotonic()

    def note(self, cycle: Cycle) -> None:
        """Take note of a decision; one about a candle that never came is none."""
        if cycle.close is not None:
            self._last_s = self.clock.monotonic()

    async def __call__(self) -> Check:
        """Compare the time since the last evaluation."""
        passed = self.clock.monotonic() - self._last_s
        return Check(passed <= self.limit_s, f"no evaluation for {passed / 60:.0f} min")


@attrs.define
class LastDuration:
    """The newest run of something recurring, such as reconciling, did not take long."""

    limit_s: float = 10.0
    _seconds: float = attrs.field(default=0.0, init=False)

    def observe(self, seconds: float) -> None:
        """Take note of one run."""
        self._seconds = seconds

    async def __call__(self) -> Check:
        """Compare the newest run."""
        return Check(self._seconds <= self.limit_s, f"took {self._seconds:.1f} s")


@attrs.define
class LoopLag:
    """The event loop wakes its tasks in time; let `run` be a background loop.

    Attributes:
        limit_s: most it may be late.
        every_s: time between two measurements.
    """

    clock: Clock
    limit_s: float = 1.0
    every_s: float = 0.5
    _worst_s: float = attrs.field(default=0.0, init=False)

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due_s = self.clock.monotonic() + self.every_s
            await self.clock.sleep_until(self.clock.now_ms() + round(1000 * self.every_s))
            self._worst_s = max(self._worst_s, self.clock.monotonic() - due_s)

    async def __call__(self) -> Check:
        """Compare the worst delay since the last call."""
        worst_s, self._worst_s = self._worst_s, 0.0
        return Check(worst_s <= self.limit_s, f"tasks woke {worst_s:.1f} s late")


@attrs.frozen
class DiskFree:
    """There is room left where ``path`` is."""

    path: Path
    least: int = 100 * MIB

    async def __call__(self) -> Check:
        """Ask the file system."""
        free = shutil.disk_usage(self.path).free
        return Check(free >= self.least, f"{free // MIB} MiB free on {self.path}")


def by_status(status: Callable[[], Check]) -> Callable[[], Awaitable[Check]]:
    """Return a probe of a part that knows by itself how it is."""

    async def probe() -> Check:
        return status()

    return probe
