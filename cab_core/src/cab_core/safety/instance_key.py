"""The instance key: one bot per account in Redis, across hosts (spec 14).

A bot that dies leaves its key behind until it expires, unless its successor on the same instance lock
inherits it: who holds that lock knows that the former holder is dead. A bot that cannot reach Redis any more
takes no entries from before its key may expire on; its exits go on, since the instance lock and the database
are still its own. When Redis is back it takes the key again, or learns that another host has it, and stops.
Times are measured on a clock that goes on while the host is suspended, where the system has one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs

from cab_core.errors import AwayError, LockedError

if TYPE_CHECKING:  # the package is an extra
    from redis.asyncio import Redis

log = logging.getLogger("cab.instance")

#: How long a start waits for Redis, seconds.
PATIENCE_S = 120.0
#: Pause after a command that failed, seconds.
RETRY_S = 1.0


def key_of(account: str) -> str:
    """Return the name of an account's key."""
    return f"crypto-bot:{account}:instance:lock"


@attrs.frozen(slots=True)
class Owner:
    """Who holds a key; its text is the value of the key.

    Attributes:
        host, pid: for people.
        lineage: of the instance lock it holds.
        nonce: new with each start.
    """

    host: str
    pid: int
    lineage: str
    nonce: str

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}:{self.lineage}:{self.nonce}"

    def succeeds(self, holder: str) -> bool:
        """Say whether the holder of a key held the instance lock that is ours now: then it is dead."""
        lineage = holder.rsplit(":", 2)[-2:-1]
        return bool(self.lineage) and lineage == [self.lineage]


#: Prolongs the key if it is ours, takes it again if Redis has lost it; 0 if somebody else has it.
_RENEW = """
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if holder then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

#: Takes over the key of a holder that is known to be dead; 0 if somebody else has it by now.
_INHERIT = """
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
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
        key: its name.
        on_lost: called once with the reason when another instance has the key; trading must stop.
        life_s: how long the key outlives its last renewal.
        renew_s: time between renewals; after a failed one it is tried every second.
        margin_s: the key is no longer surely ours so long before Redis lets it expire.
        patience_s: how long `take` waits for Redis.
    """

    client: Redis
    failures: tuple[type[Exception], ...]
    owner: Owner
    key: str
    on_lost: Callable[[str], None]
    life_s: float = 30.0
    renew_s: float = 10.0
    margin_s: float = 2.0
    patience_s: float = PATIENCE_S
    clock: Callable[[], float] = boot_time
    _ends_s: float = attrs.field(default=0.0, init=False)
    _lost: str | None = attrs.field(default=None, init=False)
    _ended: bool = attrs.field(default=False, init=False)

    def entries_allowed(self) -> str | None:
        """Return ``instance_unsure`` unless the key is surely ours at this moment."""
        return None if self._lost is None and self.clock() < self._ends_s else "instance_unsure"

    async def take(self) -> None:
        """Take the key; wait for that of a dead instance to expire, and a while for Redis.

        Raises:
            LockedError: another instance holds it and is alive: it renewed it meanwhile.
            AwayError: Redis did not answer for too long.
        """
        ends_s = self.clock() + self.patience_s
        while True:
            try:
                await self._take()
            except self.failures as error:
                if self.clock() >= ends_s:
                    raise self._away(error) from error
                log.warning("waiting for Redis, which holds the instance key: %s", type(error).__name__)
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def renew(self) -> None:
        """Renew until another instance has the key, or `end`. That Redis is away ends nothing."""
        pause_s = self.renew_s
        while self._lost is None and not self._ended:
            await asyncio.sleep(pause_s)
            pause_s = self.renew_s if await self._renewed() else min(RETRY_S, self.renew_s)

    def end(self) -> None:
        """Renew no more; a renewal on its way is the last."""
        self._ended = True

    async def release(self) -> None:
        """Delete the key if it still is ours; without Redis it expires by itself."""
        try:
            await self.client.eval(_RELEASE, 1, self.key, str(self.owner))
        except self.failures as error:
            log.warning("the instance key was not deleted (%s): it expires", type(error).__name__)

    async def _take(self) -> None:
        first, left_ms, life_ms = "", float("inf"), round(1000 * self.life_s)
        while True:
            asked_s = self.clock()
            if await self.client.set(self.key, str(self.owner), nx=True, px=life_ms):
                self._mark_ours(asked_s)
                return
            before_ms, left_ms = left_ms, await self.client.pttl(self.key)
            holder = str(await self.client.get(self.key) or "")
            if not holder:
                continue
            if self.owner.succeeds(holder):
                asked_s = self.clock()
                told = (str(self.owner), holder, str(life_ms))
                if await self.client.eval(_INHERIT, 1, self.key, *told):
                    log.info("the instance key of %s, which is dead, is ours", holder)
                    self._mark_ours(asked_s)
                    return
                continue
            if not first:
                first = holder
                log.warning("waiting whether the instance %s is alive", holder)
            if holder != first or left_ms > before_ms or left_ms == -1:  # -1: it never expires
                raise LockedError(
                    f"Instance already running: {holder}",
                    where=self.key,
                    fix="stop it first, or name the account of this one in ACCOUNT if it is another",
                )
            await asyncio.sleep(min(0.5, self.renew_s / 4))

    def _mark_ours(self, asked_s: float) -> None:
        self._ends_s = asked_s + self.life_s - self.margin_s

    def _away(self, error: Exception) -> AwayError:
        return AwayError(
            f"Redis did not answer for {self.patience_s:g} s ({type(error).__name__})",
            where="INSTANCE_KEY_URL",
            fix="start Redis, or remove INSTANCE_KEY_URL where one host is all there is",
        )

    async def _renewed(self) -> bool:
        """Renew once; returns whether the key is ours."""
        asked_s = self.clock()
        if self._ended:
            return False
        life_ms = str(round(1000 * self.life_s))
        try:
            ours = await self.client.eval(_RENEW, 1, self.key, str(self.owner), life_ms)
        except self.failures as error:
            log.warning("the instance key was not renewed: %s", type(error).__name__)
            return False
        if not ours:
            self._lose("another instance has taken the instance key")
            return False
        self._mark_ours(asked_s)
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
        AwayError: Redis did not answer for too long.
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
