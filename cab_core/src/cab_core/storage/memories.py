"""Small durable memory of plugins, e.g. the last update id a messenger has handled."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from cab_core.storage.schema import memories
from cab_core.storage.sql import upsert


def recall(conn: sa.Connection, plugin: str) -> dict[str, str]:
    """Return everything a plugin has saved. ``plugin`` is its id, e.g. ``notifier:telegram``."""
    query = sa.select(memories.c.key, memories.c.value).where(memories.c.plugin == plugin)
    return {row.key: row.value for row in conn.execute(query)}


def memorize(conn: sa.Connection, plugin: str, values: Mapping[str, str | None]) -> None:
    """Save or replace values of a plugin; None deletes the key. Not journalled: it is not the bot's state."""
    for key, value in values.items():
        same = {"plugin": plugin, "key": key}
        if value is None:
            conn.execute(memories.delete().where(memories.c.plugin == plugin, memories.c.key == key))
        else:
            upsert(conn, memories, same, {"value": value})
