"""The real schema and the real `Records` over a writer that works in the loop's own thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from cab_core.storage import Store
from cab_core.storage.location import SqliteFile

T = TypeVar("T")


class InlineWriter:
    """`cab_core.storage.writer.Writer` on one connection to a database in memory, which outlives its users.

    Attributes:
        inside: called within each transaction after all of its writes; what it raises rolls them back.
    """

    def __init__(self) -> None:
        self.inside: Callable[[], None] = lambda: None
        self._engine = sa.create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False),
            poolclass=StaticPool,
        )
        sa.event.listen(self._engine, "begin", lambda conn: conn.exec_driver_sql("BEGIN IMMEDIATE"))
        self._conn = self._engine.connect()

    async def run(self, fn: Callable[[sa.Connection], T]) -> T:
        """Call ``fn`` in a transaction."""
        with self._conn.begin():
            result = fn(self._conn)
            self.inside()
            return result

    async def close(self) -> None:
        """The database stays: the next life of the bot goes on with it."""

    def read(self, fn: Callable[[sa.Connection], T]) -> T:
        """Call ``fn`` outside of any bot's life."""
        with self._conn.begin():
            return fn(self._conn)

    def discard(self) -> None:
        """Throw the database away."""
        self._conn.close()
        self._engine.dispose()


async def open_store(writer: InlineWriter) -> Store:
    """Open the database as a start of the bot does: schema, then a new epoch."""
    store = Store(SqliteFile(Path("/simulated.sqlite3")))
    store._writer = writer
    await store._start(alone=False)
    return store
