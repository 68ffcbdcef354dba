"""How much room a database takes, and for what."""

from __future__ import annotations

import attrs
import sqlalchemy as sa

from cab_core.storage.schema import decision_trace, trace_details


@attrs.frozen(slots=True, kw_only=True)
class Size:
    """A database in figures.

    Attributes:
        total: bytes of it. ``empty``: those of them in pages that hold nothing; 0 on a server.
        cycles: evaluated candles. ``detailed``: those of them that still have all details.
    """

    total: int
    empty: int
    cycles: int
    detailed: int


def size_of(conn: sa.Connection) -> Size:
    """Measure a database; the counts are read from indexes."""
    if conn.dialect.name == "sqlite":
        page = pragma(conn, "page_size")
        total, empty = page * pragma(conn, "page_count"), page * pragma(conn, "freelist_count")
    else:
        total, empty = _counted(conn, sa.text("SELECT pg_database_size(current_database())")), 0
    cycles, detailed = (
        _counted(conn, sa.select(sa.func.count()).select_from(table))
        for table in (decision_trace, trace_details)
    )
    return Size(total=total, empty=empty, cycles=cycles, detailed=detailed)


def pragma(conn: sa.Connection, name: str) -> int:
    """Return a number that SQLite keeps about the file."""
    return int(conn.exec_driver_sql(f"PRAGMA {name}").scalar_one())


def _counted(conn: sa.Connection, query: sa.sql.Executable) -> int:
    return int(conn.execute(query).scalar_one())
