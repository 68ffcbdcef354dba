"""The statements every table needs, for both engines. There is one writer, so reading first is safe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa

from cab_core.errors import StorageError


def insert_new(
    conn: sa.Connection, table: sa.Table, unique: tuple[str, ...], values: Mapping[str, Any]
) -> bool:
    """Insert a row unless one with the same ``unique`` columns exists; return whether it was inserted."""
    if conn.execute(_exists(table, unique), _keys(values, unique)).first() is not None:
        return False
    conn.execute(_insert(table), dict(values))
    return True


def update(conn: sa.Connection, table: sa.Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Update the rows with ``key``; return whether there was one."""
    statement = _update(table, tuple(key), tuple(values))
    return affected(conn.execute(statement, {**_keys(key, key), **values})) > 0


def upsert(conn: sa.Connection, table: sa.Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Update the row with primary key ``key``, or insert it."""
    if not update(conn, table, key, values):
        conn.execute(_insert(table), {**key, **values})


def affected(result: sa.CursorResult[Any]) -> int:
    """Return how many rows a statement changed.

    Raises:
        StorageError: the driver does not know, as behind a server-side cursor. Taken for none, the row would
            be inserted again.
    """
    if result.rowcount < 0:
        raise StorageError("the driver does not tell how many rows were changed")
    return result.rowcount


# Building a statement costs more than running it, so each is built once.


@cache
def _insert(table: sa.Table) -> sa.Insert:
    return table.insert()


@cache
def _exists(table: sa.Table, unique: tuple[str, ...]) -> sa.Select[int]:
    return sa.select(sa.literal_column("1", sa.Integer)).select_from(table).where(*_same(table, unique))


@cache
def _update(table: sa.Table, key: tuple[str, ...], names: tuple[str, ...]) -> sa.Update:
    assignments: dict[str, Any] = {name: sa.bindparam(name) for name in names}
    return table.update().where(*_same(table, key)).values(assignments)


def _same(table: sa.Table, names: tuple[str, ...]) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == sa.bindparam(f"key_{name}", type_=table.c[name].type) for name in names]


def _keys(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {f"key_{name}": values[name] for name in names}
