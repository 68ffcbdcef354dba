"""Connections that only read, on the event loop."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from cab_core.errors import StorageError
from cab_core.storage.engine import BUSY_TIMEOUT_MS, configure
from cab_core.storage.location import Place, SqliteFile, sqlite_uri


def readers_of(place: Place) -> AsyncEngine:
    """Return the pool of reading connections of a database."""
    if isinstance(place, SqliteFile):
        return sqlite_readers(place.path)
    return postgres_engine(place.url).execution_options(postgresql_readonly=True)


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


def postgres_engine(url: sa.URL) -> AsyncEngine:
    """Return the engine of a PostgreSQL database; a commit returns only when it is on disk.

    Raises:
        StorageError: the driver is not installed.
    """
    try:
        return create_async_engine(
            url,
            pool_size=3,
            connect_args={"server_settings": {"synchronous_commit": "on", "application_name": "cab"}},
        )
    except ModuleNotFoundError as error:
        raise StorageError(
            "PostgreSQL needs the package asyncpg", fix="pip install 'cab-core[postgres]'"
        ) from error
