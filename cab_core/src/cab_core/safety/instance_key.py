"""The instance key: one bot per Redis, across hosts (spec 14).

A bot that dies leaves its key behind until it expires; a bot that cannot reach Redis any more stops before
its key expires, because then another host may take it. Times are measured on a clock that goes on while the
host is suspended, where the system has one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs

from cab_core.errors import LockedError, RefusedError

if TYPE_CHECKING:  # the package is an extra
    from redis.asyncio import Redis

log = logging.getLogger("cab.instance")

KEY = "crypto-bot:instance:lock"

#: Prolongs the key if it is ours, takes it again if Redis has lost it; 0 if somebody else has it.
_RENEW = """
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if holder then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


def boot_time() -> float:
    """Return seconds since the host started, suspended ones included where the system counts them."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


@attrs.define(eq=False, kw_only=True)
class InstanceKey:
    """Holds the key.

    Attributes:
        client: an open Redis client; commands must fail after a few seconds without an answer.
        failures: what its commands raise, OSError included.
        owner: who we are: unique to this start, readable for people.
        on_lost: called once with the reason when the key is lost; trading must stop.
        life_s: how long the key outlives its last renewal.
        renew_s: time between renewals; after a failed one it is tried every second.
        margin_s: the key counts as lost so long before Redis lets it expire.
    """

    client: Redis
    failures: tuple[type[Exception], ...]
    owner: str
    on_lost: Callable[[str], None] = lambda _: None
    key: str = KEY
    life_s: float = 30.0
    renew_s: float = 10.0
    margin_s: float = 2.0
    clock: Callable[[], float] = boot_time
    _ends_s: float = attrs.field(default=0.0, init=False)
    _lost: str | None = attrs.field(default=None, init=False)
    _ended: bool = attrs.field(default=False, init=False)

    def entries_allowed(self) -> str | None:
        """Return ``instance_lost`` unless the key is surely ours at this moment."""
        return None if self._lost is None and self.clock() < self._ends_s else "instance_lost"

    async def take(self) -> None:
        """Take the key; wait for that of a dead instance to expire.

        Raises:
            LockedError: another instance holds it and is alive: it renewed it meanwhile.
            RefusedError: Redis does not answer.
        """
        try:
            await self._take()
        except self.failures as error:
            raise RefusedError(
                f"Redis does not answer ({type(error).__name__}): another instance may be running",
                where="EVENT_BUS_URL",
                fix="start Redis, or remove EVENT_BUS_URL",
            ) from error

    async def renew(self) -> None:
        """Renew until the key is lost, or `end`."""
        pause_s = self.renew_s
        while self._lost is None and not self._ended:
            await asyncio.sleep(max(0.0, min(pause_s, self._ends_s - self.clock())))
            pause_s = self.renew_s if await self._renewed() else min(1.0, self.renew_s)

    def end(self) -> None:
        """Renew no more; a renewal on its way is the last."""
        self._ended = True

    async def release(self) -> None:
        """Delete the key if it still is ours; without Redis it expires by itself."""
        try:
            await self.client.eval(_RELEASE, 1, self.key, self.owner)
        except self.failures as error:
            log.warning("the instance key was not deleted (%s): it expires", type(error).__name__)

    async def _take(self) -> None:
        first, left_ms = "", float("inf")
        while True:
            asked_s = self.clock()
            if await self.client.set(self.key, self.owner, nx=True, px=round(1000 * self.life_s)):
                self._ends_s = asked_s + self.life_s - self.margin_s
                return
            before_ms, left_ms = left_ms, await self.client.pttl(self.key)
            holder = str(await self.client.get(self.key) or "")
            if not holder:
                continue
            if not first:
                first = holder
                log.warning("waiting whether the instance %s is alive", holder)
            if holder != first or left_ms > before_ms or left_ms == -1:  # -1: it never expires
                raise LockedError(
                    f"Instance already running: {holder}",
                    where=self.key,
                    fix="stop it first, or give this one a Redis database of its own in EVENT_BUS_URL",
                )
            await asyncio.sleep(min(0.5, self.renew_s / 4))

    async def _renewed(self) -> bool:
        """Renew once; returns whether the key is ours."""
        asked_s = self.clock()
        if self._ended:
            return False
        if asked_s >= self._ends_s:
            self._lose(f"Redis did not answer for {self.life_s - self.margin_s:g} s")
            return False
        life_ms = str(round(1000 * self.life_s))
        try:
            async with asyncio.timeout(self._ends_s - asked_s):
                ours = await self.client.eval(_RENEW, 1, self.key, self.owner, life_ms)
        except self.failures as error:
            log.warning("the instance key was not renewed: %s", type(error).__name__)
            return False
        if not ours:
            self._lose("another instance has taken the key")
            return False
        self._ends_s = asked_s + self.life_s - self.margin_s
        return True

    def _lose(self, reason: str) -> None:
        self._lost = reason
        log.error("instance key lost: %s", reason)
        self.on_lost(reason)


@asynccontextmanager
async def held(key: InstanceKey) -> AsyncIterator[InstanceKey]:
    """Hold the key for the length of the block, renewing it in the background.

    Raises:
        LockedError: another instance is alive.
        RefusedError: Redis does not answer.
    """
    await key.take()
    renewing = asyncio.create_task(key.renew(), name="instance-key")
    try:
        yield key
    finally:
        key.end()  # a cancellation alone could get lost in the client
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        await key.release()  # after the last renewal, which would take the key again
