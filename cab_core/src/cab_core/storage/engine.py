"""Connections with the durability this bot promises, set and read back on every one."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from cab_core.errors import StorageError
from cab_core.storage.location import sqlite_uri

BUSY_TIMEOUT_MS = 5000

#: Pragma, value to set, value that must be read back.
_DURABILITY = (
    ("journal_mode", "WAL", "wal"),
    ("synchronous", "FULL", 2),
    ("foreign_keys", "ON", 1),
    ("busy_timeout", str(BUSY_TIMEOUT_MS), BUSY_TIMEOUT_MS),
)


def configure(connection: Any) -> None:
    """Set the durability pragmas on a DBAPI connection and assert each.

    Raises:
        StorageError: SQLite did not take one, e.g. WAL on a file system without shared memory.
    """
    cursor = connection.cursor()
    try:
        for pragma, value, expected in _DURABILITY:
            if pragma != "journal_mode" or not _is_read_only(cursor):
                cursor.execute(f"PRAGMA {pragma}={value}")
            cursor.execute(f"PRAGMA {pragma}")
            actual = cursor.fetchone()[0]
            if actual != expected:
                raise StorageError(
                    f"SQLite answers {pragma}={actual!r} instead of {expected!r}",
                    fix="put the database on a local disk (not a network share)",
                )
    finally:
        cursor.close()


def _is_read_only(cursor: Any) -> bool:
    cursor.execute("PRAGMA query_only")
    return bool(cursor.fetchone()[0])


def connect(path: Path, *, read_only: bool, checkpoints: bool) -> sqlite3.Connection:
    """Open an existing SQLite file.

    Args:
        path: the file.
        read_only: refuse every write.
        checkpoints: whether this connection may move the write-ahead log into the file on its own; only the
            one long-lived writer does.
    """
    connection = sqlite3.connect(sqlite_uri(path, read_only=read_only), uri=True, isolation_level=None)
    try:
        if read_only:
            connection.execute("PRAGMA query_only=ON")
        else:  # counts for a new file, and for an older one from its next VACUUM on
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        configure(connection)
        if not checkpoints:
            connection.execute("PRAGMA wal_autocheckpoint=0")
    except BaseException:
        connection.close()
        raise
    return connection


def peek_engine(path: Path) -> sa.Engine:
    """Return an engine that only looks at a file which may belong to something else."""
    return sa.create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(sqlite_uri(path, read_only=True), uri=True),
        poolclass=NullPool,
    )


def sqlite_engine(path: Path, *, read_only: bool = False, checkpoints: bool = False) -> sa.Engine:
    """Return an engine over one SQLite file whose transactions begin IMMEDIATE if they may write."""
    engine = sa.create_engine(
        "sqlite://",
        creator=lambda: connect(path, read_only=read_only, checkpoints=checkpoints),
        poolclass=NullPool,
    )
    begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"

    @sa.event.listens_for(engine, "begin")
    def _begin(conn: sa.Connection) -> None:
        conn.exec_driver_sql(begin)

    return engine
