"""Rows exactly as they are stored, for those who check them: nothing is parsed, nothing is left out."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cab_core.storage import schema
from cab_core.storage.meta import get_meta
from cab_core.storage.types import Json, Money

#: What an auditor may read, each in the order of its key.
TABLES = ("account", "fills", "order_intents", "positions", "risk_counters", "risk_halts")


def stored_rows(conn: sa.Connection, table: str) -> list[dict[str, Any]]:
    """Return all rows of one of `TABLES`, money and JSON as the text that is in the database.

    Raises:
        KeyError: no such table.
    """
    if table not in TABLES:
        raise KeyError(table)
    source = schema.metadata.tables[table]
    columns = [
        sa.type_coerce(column, sa.Text).label(column.name)
        if isinstance(column.type, Money | Json)
        else column
        for column in source.columns
    ]
    found = conn.execute(sa.select(*columns).order_by(*source.primary_key.columns))
    return [dict(row) for row in found.mappings()]


def stored_epoch(conn: sa.Connection) -> int:
    """Return the number of the newest start of a writing instance, 0 before the first."""
    return int(get_meta(conn, "epoch") or 0)
