"""A watcher from outside: asks the bot for its health and tells people when it is gone or unwell."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import StrEnum

import attrs

from cab_core.app.desk.endpoint import local_endpoint
from cab_core.app.desk.remote import RemoteDesk
from cab_core.app.ids import SystemIds
from cab_core.app.local_files import lock_file
from cab_core.clock import Clock
from cab_core.domain.alerts import Alert, Severity
from cab_core.errors import CabError
from cab_core.safety.instance_lock import living_holder, read_holder, sidecar_of
from cab_core.settings import Settings

log = logging.getLogger("cab.health_monitor")

#: Looks in a row that must say the same before people are told.
CONFIRM = 3


class Condition(StrEnum):
    """How the bot looks from outside."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    SILENT = "silent"
    STOPPED = "stopped"
    DEAD = "dead"


_SEVERITIES = {
    Condition.HEALTHY: Severity.INFO,
    Condition.DEGRADED: Severity.IMPORTANT,
    Condition.UNHEALTHY: Severity.IMPORTANT,
    Condition.SILENT: Severity.CRITICAL,
    Condition.STOPPED: Severity.INFO,
    Condition.DEAD: Severity.CRITICAL,
}


@attrs.frozen(slots=True)
class Seen:
    """One look: the condition and what it was seen by."""

    condition: Condition
    detail: str


async def look(settings: Settings) -> Seen:
    """Look at the bot of this host once."""
    holder = living_holder(lock_file(settings))
    if holder is None:
        # A clean stop takes the sidecar of the lock away; a death cannot.
        left = read_holder(sidecar_of(lock_file(settings)))
        if left is None:
            return Seen(Condition.STOPPED, "no bot runs")
        return Seen(Condition.DEAD, f"process {left.pid} ended without a clean stop")
    endpoint = local_endpoint(settings)
    if endpoint is None:
        return Seen(Condition.HEALTHY, f"process {holder.pid} runs, without an API")
    try:
        health = await RemoteDesk(endpoint.url, endpoint.token).health()
    except CabError as error:
        return Seen(Condition.SILENT, f"process {holder.pid} runs, but: {error}")
    failing = [f"{name}: {part.detail}" for name, part in health.components.items() if not part.ok]
    return Seen(Condition(health.status), "; ".join(failing) or "all parts work")


@attrs.define(eq=False)
class Monitor:
    """Looks again and again, and tells once about each change that lasts.

    Attributes:
        look: one look.
        tell: carries an alert to people.
        clock: stamps the alerts and paces the looks.
        interval_ms: time between two looks.
    """

    look: Callable[[], Awaitable[Seen]]
    tell: Callable[[Alert], Awaitable[None]]
    clock: Clock
    interval_ms: int
    _told: Condition | None = attrs.field(default=None, init=False)
    _seen: Condition | None = attrs.field(default=None, init=False)
    _times: int = attrs.field(default=0, init=False)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.step()
            await self.clock.sleep_until(self.clock.now_ms() + self.interval_ms)

    async def step(self) -> Condition | None:
        """Look once; return the condition that was told now, None if there was nothing to tell."""
        seen = await self.look()
        self._times = self._times + 1 if seen.condition is self._seen else 1
        self._seen = seen.condition
        if self._times < CONFIRM or seen.condition is self._told:
            return None
        first, self._told = self._told is None, seen.condition
        log.info("%s: %s", seen.condition, seen.detail)
        if first and seen.condition in (Condition.HEALTHY, Condition.STOPPED):
            return None  # the daemon came first, or all is well from the start
        kind = "bot_down" if seen.condition is Condition.DEAD else "bot_health"
        text = f"the bot is {seen.condition}: {seen.detail}"
        await self.tell(
            Alert(_SEVERITIES[seen.condition], kind, text, SystemIds().trace_id(), ts_ms=self.clock.now_ms())
        )
        return seen.condition


async def watch(settings: Settings, tell: Callable[[Alert], Awaitable[None]], clock: Clock) -> None:
    """Watch the bot of these settings until cancelled."""
    interval_ms = 1000 * settings.health_check_interval_sec
    await Monitor(lambda: look(settings), tell, clock, interval_ms).run()


def look_once(settings: Settings) -> Seen:
    """Look once, outside of an event loop."""
    return asyncio.run(look(settings))
