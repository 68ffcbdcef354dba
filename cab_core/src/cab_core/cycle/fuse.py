"""A storage that takes nothing more once it has refused something.

What the book holds in memory and what the database holds part ways when a write fails. Whatever was written
after that could make the difference durable: a trade would count as known and be lost. So the run ends, and
the next start goes on from what is on disk.
"""

from __future__ import annotations

from typing import Any, cast

from cab_core.errors import StorageError
from cab_core.ports import Changes, Committed, Storage


class _Fused:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._blown: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    async def commit(self, changes: Changes) -> Committed:
        if self._blown is not None:
            raise StorageError(
                f"nothing is written any more, because a write failed: {self._blown}",
                fix="start again: it goes on from what is on disk",
            ) from self._blown
        try:
            return await self._storage.commit(changes)
        except Exception as error:
            self._blown = error
            raise


def fused(storage: Storage) -> Storage:
    """Return the storage with a fuse: after a commit that raised, every further one raises `StorageError`."""
    return cast(Storage, _Fused(storage))
