"""What keeps a database file in order: a thorough look, a row beside the bot, and giving back empty pages."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import attrs
import sqlalchemy as sa

from cab_core.storage.engine import connect, peek_engine, sqlite_engine
from cab_core.storage.health import damage
from cab_core.storage.journal import verify
from cab_core.storage.meta import get_meta
from cab_core.storage.migrate import revision
from cab_core.storage.problems import translated
from cab_core.storage.schema import journal

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


def glance(path: Path, fn: Callable[[sa.Connection], T]) -> T:
    """Call ``fn(conn)`` on a SQLite file of any version, changing nothing; beside an instance or not.

    Raises:
        StorageError: it cannot be read.
    """
    with translated(str(path)), peek_engine(path).connect() as conn:
        return fn(conn)


def state_of(conn: sa.Connection) -> dict[str, Any]:
    """Return what tells one state of a database from another: account, schema and the end of the journal."""
    tail = sa.select(journal.c.seq, journal.c.hash).order_by(journal.c.seq.desc()).limit(1)
    last = conn.execute(tail).first()
    return {
        "account": get_meta(conn, "account"),
        "schema": revision(conn, ""),
        "journal_seq": last.seq if last else 0,
        "journal_hash": last.hash if last else "",
    }


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


def write_back(path: Path) -> None:
    """Write the log of a file back into it, so that the file alone is the database; nobody else may write."""
    with translated(str(path)), closing(connect(path, read_only=False, checkpoints=True)) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def shrink(path: Path) -> None:
    """Rewrite the file without its empty pages and write the log back; nobody else may write.

    Raises:
        StorageError: the disk is full, or somebody writes.
    """
    with translated(str(path)), closing(connect(path, read_only=False, checkpoints=True)) as file:
        file.execute("VACUUM")
    write_back(path)
