"""The records of an account that another process may be writing: read, never written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs
import sqlalchemy as sa

from cab_core.domain.orders import OrderState
from cab_core.domain.risk import Halts
from cab_core.errors import StorageError
from cab_core.ports import Changes, Committed, Remembered
from cab_core.storage.intents import last_attempt
from cab_core.storage.kv import kv_load
from cab_core.storage.reconciliations import known_orders
from cab_core.storage.records import halts_now, remembered
from cab_core.storage.visit import visit

T = TypeVar("T")


@attrs.frozen(eq=False)
class RecordsBeside:
    """`cab_core.ports.Storage` beside a running instance; whatever would write is refused.

    Attributes:
        where: path or address of the database.
    """

    where: str | Path

    async def remember(self) -> Remembered:
        """Return the durable state in one snapshot."""
        return await self._read(remembered)

    async def commit(self, changes: Changes) -> Committed:  # noqa: ARG002 - signature of the port
        """Refuse."""
        raise self._refusal()

    async def last_attempt(self, key: str) -> tuple[int, OrderState] | None:
        """Return number and state of the newest attempt of an intent key, None if it was never planned."""
        return await self._read(lambda conn: last_attempt(conn, key))

    async def known_orders(self, ids: Collection[str]) -> Mapping[str, OrderState]:
        """Return those of some client ids and venue's order ids that are on record, and their states."""
        return await self._read(lambda conn: known_orders(conn, ids))

    async def halts(self, now_ms: int) -> tuple[Halts, bool]:
        """Return the halts as they stand in the database, and whether the peak is to be reset."""
        return await self._read(lambda conn: halts_now(conn, now_ms))

    async def save_regime(self, regime: Mapping[str, Any]) -> None:  # noqa: ARG002 - signature of the port
        """Refuse."""
        raise self._refusal()

    async def load(self) -> Mapping[str, str]:
        """Return what a simulated venue has saved."""
        return await self._read(kv_load)

    async def save(self, values: Mapping[str, str | None]) -> None:  # noqa: ARG002 - signature of the port
        """Refuse."""
        raise self._refusal()

    async def _read(self, fn: Callable[[sa.Connection], T]) -> T:
        return await asyncio.to_thread(visit, self.where, fn)

    def _refusal(self) -> StorageError:
        return StorageError("the database is only being read", where=str(self.where))
