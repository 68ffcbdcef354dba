"""Lets go of old details while the bot runs: once a day, in small bites between its own writes."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

import attrs

from cab_core.clock import Clock
from cab_core.cycle.supervise import Loop
from cab_core.domain.timeframes import DAY_MS
from cab_core.errors import StorageError
from cab_core.settings import Settings
from cab_core.storage import Store
from cab_core.storage.retention import Gone, bite, give_back

log = logging.getLogger("cab.retention")

#: Seconds between two looks at the time.
LOOK_S = 60


@attrs.frozen(eq=False)
class Retention:
    """Keeps one database from growing without bound.

    Attributes:
        keep_ms: how long the details of holds are kept.
        clock: the account's present.
    """

    store: Store
    keep_ms: int
    clock: Clock

    async def run(self) -> None:
        """Look at once, then whenever a day has passed; a database that refuses is asked again the next day.

        It waits in real time, outside of the turnstile of a virtual clock: no market goes on for its sake.
        """
        due_ms = self.clock.now_ms()
        while True:
            now_ms = self.clock.now_ms()
            if now_ms >= due_ms:
                due_ms = now_ms + DAY_MS
                try:
                    await self._once(now_ms)
                except StorageError as error:
                    log.warning("old details could not be let go: %s", error)
            async with self.clock.parked():
                await asyncio.sleep(LOOK_S)

    async def _once(self, now_ms: int) -> None:
        total = Gone()
        while gone := await self.store.transact(partial(bite, now_ms=now_ms, keep_ms=self.keep_ms)):
            total += gone
        freed = 0
        while some := await self.store.transact(give_back):
            freed += some
        if total:
            log.info(
                "let go of the details of %d holds and of %d delivered alerts; %d bytes given back",
                total.holds,
                total.alerts,
                freed,
            )


def retention_loop(store: Store, settings: Settings, clock: Clock) -> Loop:
    """Return the loop that keeps a bot's database from growing without bound."""
    retention = Retention(store, settings.trace_keep_days * DAY_MS, clock)
    return Loop("account", "retention", retention.run, background=True)
