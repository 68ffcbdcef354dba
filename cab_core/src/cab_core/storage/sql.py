"""Two statements every table needs, for both engines. There is one writer, so reading first is safe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa


def insert_new(
    conn: sa.Connection, table: sa.Table, unique: tuple[str, ...], values: Mapping[str, Any]
) -> bool:
    """Insert a row unless one with the same ``unique`` columns exists; return whether it was inserted."""
    same = [table.c[name] == values[name] for name in unique]
    if conn.execute(sa.select(sa.literal(1)).select_from(table).where(*same)).first() is not None:
        return False
    conn.execute(table.insert(), dict(values))
    return True


def upsert(conn: sa.Connection, table: sa.Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Update the row with primary key ``key``, or insert it."""
    same = [table.c[name] == value for name, value in key.items()]
    if conn.execute(table.update().where(*same).values(**values)).rowcount == 0:
        conn.execute(table.insert(), {**key, **values})
