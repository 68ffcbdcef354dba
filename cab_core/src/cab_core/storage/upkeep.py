"""What keeps a database file in order: a thorough look, a row beside the bot, and giving back empty pages."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import attrs
import sqlalchemy as sa

from cab_core.storage.engine import connect, sqlite_engine
from cab_core.storage.health import damage
from cab_core.storage.journal import verify
from cab_core.storage.problems import translated

T = TypeVar("T")


@attrs.frozen(slots=True)
class Room:
    """Bytes of a database file, and how many of them are empty pages."""

    size: int
    empty: int


def examine(conn: sa.Connection) -> list[str]:
    """Return everything that is broken: pages, indexes, and the journal from its first row.

    Slower than `cab_core.storage.health.damage`, which a start makes.
    """
    if conn.dialect.name == "sqlite":
        pages = [str(line) for line in conn.exec_driver_sql("PRAGMA integrity_check(20)").scalars()]
        if pages != ["ok"]:
            return pages
    return list(dict.fromkeys([*damage(conn), *verify(conn)]))


def change(path: Path, fn: Callable[[sa.Connection], T]) -> T:
    """Call ``fn(conn)`` in one writing transaction on a SQLite file of any version up to this one.

    It may run beside an instance, whose epoch stays the newest.

    Raises:
        StorageError: the database refused; nothing of ``fn`` was kept.
    """
    with translated(str(path)), sqlite_engine(path).connect() as conn, conn.begin():
        return fn(conn)


def room(path: Path) -> Room:
    """Measure a SQLite file."""
    with translated(str(path)), closing(connect(path, read_only=True, checkpoints=False)) as file:
        pages, empty, page = (
            file.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
    return Room(size=pages * page, empty=empty * page)


def shrink(path: Path) -> None:
    """Rewrite the file without its empty pages and write the log back; nobody else may be writing.

    Raises:
        StorageError: the disk is full, or somebody writes.
    """
    with translated(str(path)), closing(connect(path, read_only=False, checkpoints=True)) as file:
        file.execute("VACUUM")
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
