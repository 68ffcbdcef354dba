"""`Store`: the open database as the shells use it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import sqlalchemy as sa

from cab_core.clock import SystemClock
from cab_core.errors import StorageError
from cab_core.storage.alone import hold_alone
from cab_core.storage.backup import write_backup
from cab_core.storage.location import Place, PostgresServer, SqliteFile, claim, parse
from cab_core.storage.meta import check_epoch, start_epoch
from cab_core.storage.migrate import look, prepare
from cab_core.storage.problems import DatabaseFailedError, translated
from cab_core.storage.schema import HEAD
from cab_core.storage.writer import writer_of

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")

log = logging.getLogger("cab.storage")


class Store:
    """An open database: one writer, any number of readers. Make it with `Store.open`.

    Attributes:
        label: where the database is, for messages (password masked).
        epoch: number of this start; it grows with each `open` and fences off older writers.
        refused: transactions the database refused since the start.
    """

    def __init__(self, place: Place) -> None:
        self.label = place.label
        self.epoch = 0
        self._place = place
        self._writer = writer_of(place)
        self._readers: AsyncEngine | None = None
        self._failure: DatabaseFailedError | None = None
        self._closed = False
        self.refused = 0

    @classmethod
    async def open(cls, where: str | Path, *, alone: bool = False) -> Store:
        """Open a database for writing: create it if missing, migrate it if due, start a new epoch.

        Before a migration a SQLite file is backed up (`cab_core.storage.backup`); without a backup there is
        no migration.

        Args:
            where: path of a SQLite file, or ``sqlite+aiosqlite:///PATH`` or ``postgresql+asyncpg://…``.
            alone: refuse where another instance writes to a server's database, and keep others away.

        Raises:
            LockedError: another instance holds the database.
            StorageError: it cannot be created, opened or written, belongs to another program or to a newer
                version, or is no database. Nothing has been changed then, and no new file stays.
        """
        place = parse(where)
        created = isinstance(place, SqliteFile) and _claim(place.path)
        store = cls(place)
        try:
            await store._start(alone=alone)
        except BaseException:
            await store.close()
            if created and isinstance(place, SqliteFile):
                _remove(place.path)
            raise
        return store

    async def _start(self, *, alone: bool) -> None:
        def prepared(conn: sa.Connection) -> None:
            prepare(conn, self.label)

        def start(conn: sa.Connection) -> int:
            prepared(conn)
            return start_epoch(conn)

        with translated(self.label):
            if alone:
                await self._writer.run(lambda conn: hold_alone(conn, self.label))
            if isinstance(self._place, PostgresServer):
                from cab_core.storage.readers import once

                await once(self._place, prepared, read_only=False)  # a migration may take its time
            self.epoch = await self._writer.run(start)

    async def transact(self, fn: Callable[[sa.Connection], T]) -> T:
        """Call ``fn(conn)`` in one transaction and return its result once that is durable.

        Everything ``fn`` wrote is rolled back if it raises. Transactions run one after the other. ``fn`` runs
        on the writer's thread: give it values, not objects that change meanwhile. If the caller is cancelled,
        the transaction still ends by itself, whole.

        Raises:
            StorageError: the database refused; nothing of ``fn`` was kept.
            DatabaseFailedError: an I/O error or damage, now or earlier: the process should stop, because a
                repeated sync may report pages as written that are lost.
        """
        self._require_open()
        if self._failure is not None:
            raise self._failure

        def fenced(conn: sa.Connection) -> T:
            check_epoch(conn, self.epoch)
            return fn(conn)

        try:
            with translated(self.label):
                return await self._writer.run(fenced)
        except StorageError as error:
            self.refused += 1
            if isinstance(error, DatabaseFailedError):
                self._failure = error
            raise

    async def read(self, fn: Callable[[sa.Connection], T]) -> T:
        """Call ``fn(conn)`` on a read-only connection that sees one snapshot.

        Raises:
            StorageError: the database refused, for example because ``fn`` tried to write.
        """
        self._require_open()
        with translated(self.label):
            async with self._reading().connect() as conn:
                return await conn.run_sync(fn)

    def _require_open(self) -> None:
        if self._closed:
            raise StorageError("the database is closed", where=self.label)

    def _reading(self) -> AsyncEngine:
        if self._readers is None:
            from cab_core.storage.readers import readers_of

            self._readers = readers_of(self._place)
        return self._readers

    async def close(self) -> None:
        """Finish, write the log back into the file, and close all connections."""
        if self._closed:
            return
        self._closed = True
        with translated(self.label):
            if self._readers is not None:
                await self._readers.dispose()
            await self._writer.close()


def _claim(path: Path) -> bool:
    """Make sure the file exists; refuse a foreign or newer one untouched, back an older one up."""
    if claim(path):
        return True
    found = look(path)
    if found is not None and found != HEAD:
        _keep(path, found)
    return False


def _keep(path: Path, found: str) -> None:
    try:
        kept = write_backup(path, SystemClock().now_ms())
    except StorageError as error:
        raise StorageError(
            f"schema {found} is not migrated to {HEAD} without a backup: {error.what}",
            where=error.where,
            fix=error.fix,
        ) from error
    log.info("schema %s is about to be migrated to %s; backup: %s", found, HEAD, kept.path)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        with suppress(OSError):
            path.with_name(path.name + suffix).unlink()
