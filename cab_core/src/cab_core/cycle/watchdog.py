"""The watchdog: looks at every part the bot needs, and stops entries while one of them fails (spec 14).

It never closes a position: a slow exchange or a full disk is no reason to sell.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import attrs

from cab_core.clock import Clock
from cab_core.domain.watchdog import Check, Level, Transition, Watch
from cab_core.ports import EventBus, Ids

log = logging.getLogger("cab.watchdog")

#: Looks at one part. Raising counts as failing.
Probe: TypeAlias = Callable[[], Awaitable[Check]]


def _ignore(_: Transition) -> None:
    return None


@attrs.define(eq=False)
class Watchdog:
    """Asks all probes at every interval; let `run` be a background loop.

    Attributes:
        clock: the injected clock.
        probes: what to look at, by the name people know the part by.
        on_change: told each change of the level.
        interval_s: time between rounds.
        patience_s: time a probe may take, real seconds; beyond it its part counts as failing.
    """

    clock: Clock
    probes: Mapping[str, Probe]
    on_change: Callable[[Transition], None] = _ignore
    interval_s: float = 3.0
    patience_s: float = 5.0
    watch: Watch = attrs.field(factory=Watch, init=False)

    def entries_allowed(self) -> str | None:
        """Return why entries must wait, ``auto_paused``; None if they need not."""
        return "auto_paused" if self.watch.level is Level.DEGRADED else None

    async def run(self) -> None:
        """Look at every interval until cancelled."""
        while True:
            await self.clock.sleep_until(self.clock.now_ms() + round(1000 * self.interval_s))
            await self.look()

    async def look(self) -> Transition | None:
        """Ask every probe once, all at the same time, and return the change of the level."""
        answers = await asyncio.gather(*(self._asked(probe) for probe in self.probes.values()))
        changed = self.watch.take(dict(zip(self.probes, answers, strict=True)))
        if changed is not None:
            level = logging.INFO if changed.new is Level.OK else logging.WARNING
            log.log(level, "watchdog %s -> %s%s", changed.old, changed.new, _listed(changed))
            self.on_change(changed)
        return changed

    async def _asked(self, probe: Probe) -> Check:
        (answer,) = await asyncio.gather(self._in_time(probe), return_exceptions=True)
        if isinstance(answer, Check):
            return answer
        if isinstance(answer, TimeoutError):
            return Check(ok=False, detail=f"no answer within {self.patience_s:g} s")
        return Check(ok=False, detail=str(answer) or type(answer).__name__)

    async def _in_time(self, probe: Probe) -> Check:
        async with asyncio.timeout(self.patience_s):
            return await probe()


def announce(bus: EventBus, clock: Clock, ids: Ids) -> Callable[[Transition], None]:
    """Return an ``on_change`` that publishes each change, and alerts the operator of those that matter."""

    def publish(changed: Transition) -> None:
        payload = {"old": str(changed.old), "new": str(changed.new), "failing": dict(changed.failing)}
        trace_id = ids.trace_id()
        bus.publish("watchdog.changed", payload, trace_id)
        if Level.DEGRADED not in (changed.old, changed.new):
            return
        degraded = changed.new is Level.DEGRADED
        text = "entries are paused" + _listed(changed) if degraded else "all checks pass: entries go on"
        alert = {
            "severity": "important" if degraded else "info",
            "kind": "watchdog.changed",
            "text": text,
            "symbol": "",
            "rule": "",
            "ts_ms": clock.now_ms(),
        }
        bus.publish("alert", alert, trace_id)

    return publish


def _listed(changed: Transition) -> str:
    said = [f"{name} ({detail})" if detail else name for name, detail in changed.failing.items()]
    return f": {', '.join(said)}" if said else ""
