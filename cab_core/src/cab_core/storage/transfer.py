"""Moves a whole database to another engine: every row, compared before the copy is one."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from cab_core.atomic import make_folder, replacing
from cab_core.errors import RefusedError, StorageError
from cab_core.storage import schema
from cab_core.storage.backup import sync_folder
from cab_core.storage.engine import sqlite_engine
from cab_core.storage.journal import verify
from cab_core.storage.location import Place, PostgresServer, SqliteFile
from cab_core.storage.migrate import revision
from cab_core.storage.problems import translated

T = TypeVar("T")

_PRIVATE = 0o600
_BATCH = 500

#: ``meta`` first: the journal's trigger brings its mark of the newest row up to date.
_TABLES = [
    schema.meta,
    *(table for table in schema.metadata.sorted_tables if table.name not in {"meta", "alembic_version"}),
]


def pour(source: sa.Connection, target: sa.Connection) -> dict[str, int]:
    """Write every row of ``source`` into the empty database ``target`` and compare; return the rows by table.

    Raises:
        StorageError: a table of the copy differs, or the journal's chain is broken.
    """
    schema.create_all(target)
    counts = {}
    for table in _TABLES:
        counts[table.name] = 0
        for rows in _rows(source, table).mappings().partitions(_BATCH):
            target.execute(table.insert(), [dict(row) for row in rows])
            counts[table.name] += len(rows)
    different = [table.name for table in _TABLES if _digest(source, table) != _digest(target, table)]
    if found := [*(f"the table {name} differs" for name in different), *verify(target)]:
        raise StorageError(
            f"the copy is not equal: {'; '.join(found[:3])}",
            fix="check the database: cab maintenance integrity; then copy again",
        )
    return counts


def require_empty(place: Place) -> None:
    """Refuse a target that is there already.

    Must not be called while an event loop runs in this thread.

    Raises:
        RefusedError: the file exists, or the database has tables. StorageError: the server refused.
    """
    if isinstance(place, SqliteFile):
        _require_no_file(place.path)
        return
    from cab_core.storage.readers import once

    with translated(place.label):
        asyncio.run(once(place, partial(_require_no_tables, place.label), read_only=True))


def into_file(path: Path, fn: Callable[[sa.Connection], T], *, to_keep: bool = False) -> T:
    """Call ``fn(conn)`` on an empty SQLite file, which gets its name once it is whole.

    Args:
        path: the file.
        fn: fills it.
        to_keep: it is a backup: one that is read without a log beside it.

    Raises:
        RefusedError: there is such a file. StorageError: it cannot be written; nothing stays then.
    """
    _require_no_file(path)
    try:
        make_folder(path.parent)
        with replacing(path, _PRIVATE) as file:
            draft = Path(file.name)
            with translated(str(path)):
                with sqlite_engine(draft).connect() as conn, conn.begin():
                    done = fn(conn)
                if to_keep:
                    with closing(sqlite3.connect(draft, isolation_level=None)) as whole:
                        whole.execute("PRAGMA journal_mode=DELETE")
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError(
            f"the copy cannot be written ({error.strerror})",
            where=str(path),
            fix="free space, or make the folder writable for this user",
        ) from error
    return done


def into_server(place: PostgresServer, fn: Callable[[sa.Connection], T]) -> T:
    """Call ``fn(conn)`` on an empty database of a server, in one transaction: all of it is kept, or nothing.

    Must not be called while an event loop runs in this thread.

    Raises:
        RefusedError: the database is not empty. StorageError: the server refused.
    """
    from cab_core.storage.readers import once

    def checked(conn: sa.Connection) -> T:
        _require_no_tables(place.label, conn)
        return fn(conn)

    with translated(place.label):
        return asyncio.run(once(place, checked, read_only=False))


def _require_no_file(path: Path) -> None:
    if path.exists():
        raise RefusedError(
            "there is such a file already", where=str(path), fix="name a file that is not there"
        )


def _require_no_tables(label: str, conn: sa.Connection) -> None:
    if revision(conn, label) is not None:
        fix = "make an empty database (createdb) and name that"
        raise RefusedError("the database is not empty: it is one of cab", where=label, fix=fix)


def _rows(conn: sa.Connection, table: sa.Table) -> sa.CursorResult[Any]:
    query = sa.select(table).order_by(*table.primary_key.columns)
    return conn.execute(query, execution_options={"yield_per": _BATCH})


def _digest(conn: sa.Connection, table: sa.Table) -> str:
    """Return a hash of all rows, whatever order the engine sorts text in."""
    digests = sorted(
        hashlib.sha256(json.dumps([*row], default=str, sort_keys=True).encode()).digest()
        for row in _rows(conn, table)
    )
    return hashlib.sha256(b"".join(digests)).hexdigest()
