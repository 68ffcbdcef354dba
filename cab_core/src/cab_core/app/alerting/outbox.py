"""The durable side of the queues: what waits survives a restart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import attrs

from cab_core.app.alerting.queue import REPEAT_MS, Queue
from cab_core.errors import StorageError
from cab_core.storage import Connection, Store
from cab_core.storage.outbox import OutboxRow, delete_outbox, load_outbox, save_outbox

log = logging.getLogger("cab.alerts.outbox")

#: A message waits no longer than this for a database that does not answer.
PATIENCE_S = 2.0


@attrs.define(eq=False)
class Outbox:
    """Saves the queues' changes in batches.

    What cannot be saved is sent all the same: that the disk is full is itself worth an alert.

    Attributes:
        store: None keeps nothing.
    """

    store: Store | None
    queues: Sequence[Queue]
    _broken: bool = attrs.field(default=False, init=False)

    async def restore(self, now_ms: int) -> None:
        """Fill the queues with what a former run left. What is no longer configured stays where it is."""
        if self.store is None:
            return
        rows = await self.store.transact(lambda conn: load_outbox(conn, now_ms - REPEAT_MS))
        for queue in self.queues:
            queue.restore(row for row in rows if row.notifier == queue.notifier)

    async def keep(self, also: Callable[[Connection], None] | None = None) -> None:
        """Save what changed; log once when that fails and once when it works again.

        ``also`` is called in the same transaction.
        """
        dirty = any(queue.changed or queue.removed for queue in self.queues)
        if self.store is None or not (dirty or also):
            return
        changed = [row for queue in self.queues for row in queue.changed.values()]
        removed = [row for queue in self.queues for row in queue.removed]
        for queue in self.queues:
            queue.changed.clear()
            queue.removed.clear()

        def save(conn: Connection) -> None:
            save_outbox(conn, changed)
            delete_outbox(conn, removed)
            if also is not None:
                also(conn)

        try:
            async with asyncio.timeout(PATIENCE_S):
                await self.store.transact(save)
        except TimeoutError:
            return  # the transaction goes on by itself
        except StorageError as error:
            self._again(changed)
            if not self._broken:
                log.error("alerts are not saved, only sent: %s", error)
            self._broken = True
            return
        if self._broken:
            log.info("alerts are saved again")
        self._broken = False

    def _again(self, rows: Sequence[OutboxRow]) -> None:
        """Put rows back that were not saved, unless they changed since."""
        by_name = {queue.notifier: queue for queue in self.queues}
        for row in rows:
            by_name[row.notifier].changed.setdefault(row.id, row)
