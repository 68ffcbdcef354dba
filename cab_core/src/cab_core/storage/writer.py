"""The one connection that writes: SQLite on a thread of its own, PostgreSQL on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import sqlalchemy as sa

from cab_core.storage.engine import sqlite_engine
from cab_core.storage.location import Place, SqliteFile
from cab_core.storage.problems import DatabaseFailedError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")

#: How often, a second apart, a server is asked what became of a transaction.
OUTCOME_TRIES = 15


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
    """A long-lived PostgreSQL connection; a lock keeps the transactions apart.

    A connection that breaks at the commit leaves open what became of the transaction. The server knows, and
    is asked: a change that was made is never reported as refused, and so never made twice.
    """

    def __init__(self, url: sa.URL) -> None:
        from cab_core.storage.readers import STATEMENT_LIMIT_S, TAKE_TURN, postgres_engine

        self._engine, self._turn = postgres_engine(url, STATEMENT_LIMIT_S), TAKE_TURN
        self._lock = asyncio.Lock()
        self._conn: AsyncConnection | None = None

    async def run(self, fn: Callable[[sa.Connection], T]) -> T:
        """Call ``fn`` in a transaction, which ends whole although the caller may be cancelled."""
        return await asyncio.shield(self._transaction(fn))

    async def _transaction(self, fn: Callable[[sa.Connection], T]) -> T:
        async with self._lock:
            if self._conn is None:
                self._conn = await self._engine.connect()
            transaction = await self._conn.begin()
            try:
                number = (await self._conn.exec_driver_sql(self._turn)).scalar_one()
                result = await self._conn.run_sync(fn)
            except BaseException:
                await transaction.rollback()
                raise
            try:
                await transaction.commit()
            except (sa.exc.DBAPIError, OSError):
                await self._let_go()
                if not await self._committed(number):
                    raise
            return result

    async def _committed(self, number: int) -> bool:
        """Ask the server until it says what became of a transaction.

        Raises:
            DatabaseFailedError: it does not; only a new start can tell.
        """
        for _ in range(OUTCOME_TRIES):
            with suppress(sa.exc.DBAPIError, OSError):
                async with self._engine.connect() as conn:
                    status = (await conn.exec_driver_sql(f"SELECT txid_status({number})")).scalar()
                    if status != "in progress":
                        return status == "committed"
            await asyncio.sleep(1)
        raise DatabaseFailedError(
            "the server went away while it committed, and whether it did is not known",
            fix="start again: it goes on from what is on disk",
        )

    async def _let_go(self) -> None:
        """Give a broken connection up; the next transaction makes a new one."""
        if self._conn is not None:
            broken, self._conn = self._conn, None
            await broken.invalidate()
            await broken.close()

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
