"""Room kept for exits: a file that is given up when the disk is full, so that sales can still be journalled.

Without a journal nothing is sent. An entry can wait until there is room again; an exit cannot.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import attrs

from cab_core.domain.orders import Side
from cab_core.errors import DiskFullError, StorageAwayError, StorageBusyError
from cab_core.ports import Changes, Committed, Storage
from cab_core.safety.patience import Patience, patient

log = logging.getLogger("cab.ballast")

SIZE = 16 << 20


@attrs.define(eq=False)
class Ballast:
    """The file. Call `hold` at the start and then from time to time.

    Attributes:
        path: the file; it lies beside the database.
        size: its size in bytes.
        reserve: room that must stay free beside it before it is made again.
        on_change: told whether it is held, at each change.
    """

    path: Path
    size: int = SIZE
    reserve: int = SIZE
    on_change: Callable[[bool], None] = lambda _: None
    _held: bool = attrs.field(default=True, init=False)

    @classmethod
    def beside(cls, database: Path, **how: Any) -> Ballast:
        """Return the ballast of a database file."""
        return cls(database.with_name(f"{database.name}.ballast"), **how)

    def entries_allowed(self) -> str | None:
        """Return ``disk_full`` while the file is given up."""
        return None if self._held else "disk_full"

    def hold(self) -> bool:
        """Make the file unless it is there; returns whether it is.

        It is not made where that would leave less than the reserve: then the disk is as good as full.
        """
        self._tell(self._is_whole() or self._made())
        return self._held

    def release(self) -> bool:
        """Give the file up; returns whether that made room."""
        whole = self._is_whole()
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            log.error("the ballast %s cannot be given up: %s", self.path, error.strerror)
            whole = False
        self._tell(held=False)
        return whole

    def _is_whole(self) -> bool:
        try:
            found = self.path.stat()
        except OSError:
            return False
        return found.st_size >= self.size and found.st_blocks * 512 >= self.size

    def _made(self) -> bool:
        try:
            if shutil.disk_usage(self.path.parent).free < self.size + self.reserve:
                return False
            descriptor = os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self.size)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            log.warning("the ballast %s cannot be made: %s", self.path, error.strerror)
            self.path.unlink(missing_ok=True)
            return False
        return True

    def _tell(self, held: bool) -> None:
        if held is self._held:
            return
        self._held = held
        log.log(logging.INFO if held else logging.WARNING, "ballast %s", "held" if held else "given up")
        self.on_change(held)


class _Provident:
    def __init__(self, storage: Storage, ballast: Ballast, patience: Patience) -> None:
        self._storage, self._ballast = storage, ballast
        self._patient, self._patience = patient(storage, patience), patience

    def __getattr__(self, name: str) -> Any:
        return getattr(self._patient, name)

    async def commit(self, changes: Changes) -> Committed:
        if any(intent.side is Side.BUY for intent, _ in changes.planned):
            return await self._entry(changes)
        return await self._patience.outlast(lambda: self._made_room(changes))

    async def _entry(self, changes: Changes) -> Committed:
        """Write an entry now or not at all: its price does not wait."""
        try:
            try:
                return await self._storage.commit(changes)
            except StorageAwayError:  # perhaps only the connection was: the next try makes a new one
                return await self._storage.commit(changes)
        except DiskFullError:
            self._ballast.release()
            reason = "disk_full"
        except StorageBusyError:
            reason = "storage_busy"
        except StorageAwayError:
            reason = "storage_away"
        return await self._refuse(changes, reason)

    async def _made_room(self, changes: Changes) -> Committed:
        try:
            return await self._storage.commit(changes)
        except DiskFullError:
            if not self._ballast.release():
                raise
            return await self._storage.commit(changes)

    async def _refuse(self, changes: Changes, reason: str) -> Committed:
        """Record the decision without its order, and tell the caller that nothing was planned."""
        cycle = changes.cycle
        if cycle is not None:
            cycle = attrs.evolve(cycle, action="hold", reason=reason, order_key=None)
        await self.commit(attrs.evolve(changes, planned=(), cycle=cycle))
        return Committed(reason)


def provident(storage: Storage, ballast: Ballast, patience: Patience | None = None) -> Storage:
    """Return a storage whose exits are written even when the disk is full or the database busy or away.

    A change that plans an entry does not wait: its decision is recorded as refused (``disk_full``,
    ``storage_busy``, ``storage_away``), `commit` returns the reason, and nothing is sent. All else is tried
    again: after a full disk once, with the ballast given up, while the database is busy or away as long as
    the patience lasts. Nothing was written by what was refused.
    """
    return cast(Storage, _Provident(storage, ballast, patience or Patience()))
