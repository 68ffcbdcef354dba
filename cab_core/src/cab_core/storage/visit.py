"""Short visits to a database that may be in use: for commands and tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from cab_core.errors import NotFoundError, StorageError
from cab_core.storage.engine import sqlite_engine
from cab_core.storage.location import PostgresServer, SqliteFile, parse
from cab_core.storage.migrate import peek, revision
from cab_core.storage.problems import translated
from cab_core.storage.schema import HEAD

T = TypeVar("T")

_START = "start cab once (cab run)"


class NoDatabaseError(NotFoundError):
    """There is no database yet, or an empty one."""

    code = "CAB-E511"


@contextmanager
def open_sync(path: str | Path, *, read_only: bool = True) -> Iterator[sa.Connection]:
    """Open an existing SQLite database of this version for one transaction, without an event loop.

    It neither creates nor migrates, starts no epoch, and may run beside an instance. The transaction is
    committed at the end of the block, or rolled back if it raises.

    Raises:
        NoDatabaseError: there is no such file, or it is empty.
        StorageError: it is no database of this version, or refuses.
    """
    place = parse(path)
    if not isinstance(place, SqliteFile):
        raise StorageError("only a SQLite file can be opened here", where=place.label)
    if not place.path.is_file():
        raise NoDatabaseError("there is no database", where=place.label, fix=f"{_START}, or set DB_PATH")
    require_current(peek(place.path), place.label)
    engine = sqlite_engine(place.path, read_only=read_only)
    with translated(place.label), engine.connect() as conn, conn.begin():
        yield conn


def visit(where: str | Path, fn: Callable[[sa.Connection], T], *, read_only: bool = True) -> T:
    """Call ``fn(conn)`` in one transaction on a SQLite file or a PostgreSQL database; as `open_sync`.

    Must not be called while an event loop runs in this thread.
    """
    place = parse(where)
    if isinstance(place, SqliteFile):
        with open_sync(where, read_only=read_only) as conn:
            return fn(conn)
    with translated(place.label):
        return asyncio.run(_visit_server(place, fn, read_only))


async def _visit_server(place: PostgresServer, fn: Callable[[sa.Connection], T], read_only: bool) -> T:
    from cab_core.storage.readers import once

    def checked(conn: sa.Connection) -> T:
        require_current(revision(conn, place.label), place.label)
        return fn(conn)

    return await once(place, checked, read_only=read_only)


def require_current(found: str | None, label: str) -> None:
    """Refuse a database of another version, by its revision.

    Raises:
        NoDatabaseError: it is empty. StorageError: it is older.
    """
    if found is None:
        raise NoDatabaseError("the database is empty", where=label, fix=_START)
    if found != HEAD:
        raise StorageError(
            "the database is older than this version of cab",
            where=label,
            fix=f"{_START}: it migrates the database",
        )
