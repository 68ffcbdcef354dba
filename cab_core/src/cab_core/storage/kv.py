"""Key-value memory of a simulated venue (`cab_core.sdk.BrokerState`)."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from cab_core.storage.schema import paper_state
from cab_core.storage.sql import upsert
from cab_core.storage.store import Store


def kv_load(conn: sa.Connection) -> dict[str, str]:
    """Return everything saved."""
    return {row.key: row.value for row in conn.execute(sa.select(paper_state))}


def kv_save(conn: sa.Connection, values: Mapping[str, str | None]) -> None:
    """Save or replace the given keys; None forgets one. It is the venue's state, so it is not journalled."""
    for key, value in values.items():
        if value is None:
            conn.execute(paper_state.delete().where(paper_state.c.key == key))
        else:
            upsert(conn, paper_state, {"key": key}, {"value": value})


class PaperState:
    """`cab_core.sdk.BrokerState` in the bot's own database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def load(self) -> Mapping[str, str]:
        """Return everything saved so far."""
        return await self._store.transact(kv_load)

    async def save(self, values: Mapping[str, str | None]) -> None:
        """Save or replace the given keys in one transaction; None forgets a key."""
        copy = dict(values)
        await self._store.transact(lambda conn: kv_save(conn, copy))
