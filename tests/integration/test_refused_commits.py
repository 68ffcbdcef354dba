"""A commit of trades is refused once: no other symbol may write what is not on record."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import attrs
import pytest

from cab_core.app.verify import check_database, violated
from cab_core.errors import StorageBusyError, StorageError
from cab_core.ports import Changes, Committed, Storage
from cab_core.storage import visit

pytestmark = pytest.mark.idempotency

SYMBOLS = ("BTC/USDT", "ETH/USDT")


@attrs.define
class RefusesOnce:
    """A storage that refuses the ``nth`` commit with trades, as a busy database does, and no other."""

    inner: Storage
    nth: int
    seen: int = 0

    async def commit(self, changes: Changes) -> Committed:
        self.seen += bool(changes.fills)
        if changes.fills and self.seen == self.nth:
            raise StorageBusyError("another process keeps the database")
        return await self.inner.commit(changes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@pytest.mark.catalogue(78)
@pytest.mark.parametrize("nth", range(1, 15))
def test_a_refused_commit_ends_the_run_with_the_books_in_order(bench: Any, nth: int) -> None:
    desk = bench(bars=40, symbols=SYMBOLS, crash=partial(RefusesOnce, nth=nth))
    with pytest.raises(StorageError, match="keeps the database"):
        asyncio.run(desk.run())
    assert not violated(visit(desk.database, check_database))
    asyncio.run(attrs.evolve(desk, crash=None).run())
    assert not violated(visit(desk.database, check_database))
