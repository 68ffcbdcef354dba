"""The one connection that writes: SQLite on a thread of its own, PostgreSQL on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import sqlalchemy as sa

from cab_core.storage.engine import sqlite_engine
from cab_core.storage.location import Place, SqliteFile

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")


class Writer(Protocol):
    """Runs functions one after the other, each in one transaction."""

    async def run(self, fn: Callable[[sa.Connection], T]) -> T:
        """Call ``fn`` in a transaction: committed if it returns, rolled back if it raises."""

    async def close(self) -> None:
        """Finish what is queued and close the connection."""


class SqliteWriter:
    """A long-lived SQLite connection on its own thread.

    A whole transaction is one hop to the thread and back. Through an async driver every statement would be
    several hops: the same transaction then takes about four times the time and the CPU.
    """

    def __init__(self, path: Path) -> None:
        self._engine = sqlite_engine(path, checkpoints=True)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="cab-storage")
        self._conn: sa.Connection | None = None

    async def run(self, fn: Callable[[sa.Connection], T]) -> T:
        """Call ``fn`` in a transaction on the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transaction, fn)

    def _transaction(self, fn: Callable[[sa.Connection], T]) -> T:
        if self._conn is None:
            self._conn = self._engine.connect()
        with self._conn.begin():
            return fn(self._conn)

    async def close(self) -> None:
        """Write the log back into the file, then close."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._finish)
        self._thread.shutdown()

    def _finish(self) -> None:
        if self._conn is None:
            return
        raw = self._conn.connection.cursor()
        try:
            raw.execute("PRAGMA optimize")
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            raw.close()
            self._conn.close()
            self._conn = None


class PostgresWriter:
    """A long-lived PostgreSQL connection; a lock keeps the transactions apart."""

    def __init__(self, url: sa.URL) -> None:
        from cab_core.storage.readers import postgres_engine

        self._engine = postgres_engine(url)
        self._lock = asyncio.Lock()
        self._conn: AsyncConnection | None = None

    async def run(self, fn: Callable[[sa.Connection], T]) -> T:
        """Call ``fn`` in a transaction."""
        async with self._lock:
            if self._conn is None:
                self._conn = await self._engine.connect()
            async with self._conn.begin():
                return await self._conn.run_sync(fn)

    async def close(self) -> None:
        """Close the connection after the transactions in progress."""
        async with self._lock:
            if self._conn is not None:
                await self._conn.close()
                self._conn = None
            await self._engine.dispose()


def writer_of(place: Place) -> Writer:
    """Return the writer of a database; it connects at its first transaction."""
    return SqliteWriter(place.path) if isinstance(place, SqliteFile) else PostgresWriter(place.url)
