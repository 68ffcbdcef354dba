"""Connections that only read, on the event loop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from cab_core.errors import StorageError
from cab_core.storage.engine import BUSY_TIMEOUT_MS, configure
from cab_core.storage.location import Place, PostgresServer, SqliteFile, sqlite_uri

#: Longest time a running bot waits for a connection or a statement; shorter than a service manager does.
STATEMENT_LIMIT_S = 10.0

#: Begins every writing transaction on a server: one at a time, as SQLite has it; returns its number. Else a
#: command that writes beside the bot could append the same row of the journal.
TAKE_TURN = "SELECT txid_current() FROM pg_advisory_xact_lock(5717231)"

T = TypeVar("T")


def readers_of(place: Place) -> AsyncEngine:
    """Return the pool of reading connections of a database."""
    if isinstance(place, SqliteFile):
        return sqlite_readers(place.path)
    return postgres_engine(place.url, STATEMENT_LIMIT_S).execution_options(postgresql_readonly=True)


def sqlite_readers(path: Path) -> AsyncEngine:
    """Return a small pool of read-only SQLite connections; a transaction sees one snapshot."""
    import aiosqlite

    async def connect() -> aiosqlite.Connection:
        uri = sqlite_uri(path, read_only=True)
        connection = await aiosqlite.connect(uri, uri=True, isolation_level=None)
        await connection.execute("PRAGMA query_only=ON")
        return connection

    engine = create_async_engine(
        "sqlite+aiosqlite://",
        async_creator=connect,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=2,
        pool_timeout=BUSY_TIMEOUT_MS / 1000,
    )

    @sa.event.listens_for(engine.sync_engine, "connect")
    def _configure(connection: object, _record: object) -> None:
        configure(connection)

    @sa.event.listens_for(engine.sync_engine, "begin")
    def _begin(conn: sa.Connection) -> None:
        conn.exec_driver_sql("BEGIN")

    return engine


def postgres_engine(url: sa.URL, limit_s: float | None = None) -> AsyncEngine:
    """Return the engine of a PostgreSQL database; a commit returns only when it is on disk.

    Args:
        url: the database.
        limit_s: longest time a statement may take, None without limit: for migrations and commands.

    Raises:
        StorageError: the driver is not installed.
    """
    try:
        return create_async_engine(
            url,
            pool_size=3,
            pool_pre_ping=True,  # a restart of the server leaves dead connections in the pool
            connect_args={
                "server_settings": {"synchronous_commit": "on", "application_name": "cab"},
                "timeout": STATEMENT_LIMIT_S,
                "command_timeout": limit_s,
            },
        )
    except ModuleNotFoundError as error:
        raise StorageError(
            "PostgreSQL needs the package asyncpg", fix="pip install 'cab-core[postgres]'"
        ) from error


async def once(place: PostgresServer, fn: Callable[[sa.Connection], T], *, read_only: bool) -> T:
    """Call ``fn(conn)`` in one transaction of a connection of its own, without a time limit.

    A reading one sees one snapshot; a writing one waits for its turn.
    """
    engine = postgres_engine(place.url)
    level = "REPEATABLE READ" if read_only else "READ COMMITTED"
    try:
        async with engine.connect() as conn:
            await conn.execution_options(postgresql_readonly=read_only, isolation_level=level)
            async with conn.begin():
                if not read_only:
                    await conn.exec_driver_sql(TAKE_TURN)
                return await conn.run_sync(fn)
    finally:
        await engine.dispose()
