"""What watches over a live run reaches its entries, its storage and its end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from cab_core.app.bus import OpenBus
from cab_core.app.guards import Guards
from cab_core.bus.memory import MemoryBus
from cab_core.domain.orders import Intent, Purpose, Side, intent_key
from cab_core.errors import DiskFullError, LockedError
from cab_core.ports import Changes, Committed
from cab_core.safety.instance_lock import instance_lock
from cab_core.safety.starts import StartVerdict
from cab_core.safety.watchman import Watchman
from cab_core.settings import load_settings
from cab_core.storage import Store
from cab_core.storage.records import Records

SYMBOL = "BTC/USDT"
START_MS = 1_704_067_200_000
WATCHING = (
    "import os, sys\nfd = int(sys.argv[sys.argv.index('--beats-fd') + 1])\nwhile os.read(fd, 100): pass"
)


@attrs.define(eq=False)
class Hands:
    """Both clocks of a host, set by hand; whoever sleeps sleeps until the next round."""

    wall_ms: int = START_MS
    up_s: float = 0.0
    following: asyncio.Event = attrs.field(factory=asyncio.Event)

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic(self) -> float:
        return self.up_s

    async def sleep_until(self, ts_ms: int, order: int = 0) -> None:
        await self.following.wait()

    def wake(self) -> None:
        self.following.set()
        self.following = asyncio.Event()


@attrs.define(eq=False)
class Desk:
    """Guards of a run that has neither a market nor orders."""

    folder: Path
    clock: Hands
    guards: Guards
    server_ms: int = START_MS
    compared: int = 0
    reconciler: object | None = "compares"
    loops: dict[str, asyncio.Task[None]] = attrs.field(factory=dict)

    async def compare(self) -> None:
        self.compared += 1

    async def server_time_ms(self) -> int:
        return self.server_ms

    async def round(self) -> None:
        """Let the watching loops make their next round."""
        if not self.loops:
            loops = self.guards.watch(self, self)
            self.loops = {loop.name: asyncio.ensure_future(loop.make()) for loop in loops}
        self.clock.wake()
        await asyncio.sleep(0.1)

    async def end(self) -> None:
        for task in self.loops.values():
            task.cancel()
        await asyncio.gather(*self.loops.values(), return_exceptions=True)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    given = {"MODE": "paper", "EXCHANGE": "gateio", "SYMBOLS": SYMBOL, "DB_PATH": str(tmp_path / "db")}
    settings = load_settings(given, tmp_path).settings
    clock, store = Hands(), await Store.open(tmp_path / "db")
    with instance_lock(tmp_path / "lock", START_MS) as holder:
        guards = Guards(
            settings=settings,
            clock=clock,
            opened=OpenBus(MemoryBus()),
            circuits=(),
            storage=Records(store, "paper"),
            holder=holder,
            epoch=1,
            start=StartVerdict(()),
            watchman=None,
        )
        desk = Desk(tmp_path, clock, guards)
        yield desk
        await desk.end()
    await store.close()


async def test_what_is_never_compared_is_not_shown_as_well(desk: Desk) -> None:
    """A simulated account has nothing to be compared with."""
    desk.reconciler = None
    await desk.round()
    assert desk.guards.dog is not None
    await desk.guards.dog.look()
    assert "broker" in desk.guards.dog.watch.checks
    assert "reconcile" not in desk.guards.dog.watch.checks


async def test_where_nothing_is_wrong_entries_are_let_in(desk: Desk) -> None:
    for _ in range(5):
        await desk.round()
    assert desk.guards.no_entry(SYMBOL) is None
    assert not any(task.done() for task in desk.loops.values())


@pytest.mark.catalogue(70)
async def test_a_clock_far_off_the_exchanges_stops_entries(desk: Desk) -> None:
    desk.server_ms -= 31_000
    await desk.round()
    assert desk.guards.no_entry(SYMBOL) == "clock_skew"


@pytest.mark.catalogue(74)
async def test_after_a_sleep_the_book_is_compared_before_entries_go_on(desk: Desk) -> None:
    await desk.round()
    desk.clock.wall_ms += 3_600_000
    desk.server_ms += 3_600_000
    assert desk.guards.no_entry(SYMBOL) == "clock_jumped"
    assert desk.compared == 0
    await desk.round()
    assert desk.compared == 1
    assert desk.guards.no_entry(SYMBOL) is None


@pytest.mark.catalogue(78, 79)
async def test_a_database_that_takes_no_writes_stops_entries(desk: Desk) -> None:
    await desk.round()
    store = desk.guards.storage.store
    await store.transact(lambda conn: conn.exec_driver_sql("PRAGMA query_only = ON"))
    for _ in range(3):
        await desk.round()
    assert desk.guards.no_entry(SYMBOL) == "auto_paused"


@pytest.mark.catalogue(85, 121)
@pytest.mark.parametrize("name", ["db", "lock"])
@pytest.mark.parametrize("how", ["deleted", "replaced"])
async def test_a_file_that_is_no_longer_the_same_ends_the_run(desk: Desk, name: str, how: str) -> None:
    await desk.round()
    path = desk.folder / name
    if how == "deleted":
        path.unlink()
    else:
        (desk.folder / "other").touch()
        (desk.folder / "other").replace(path)
    await desk.round()
    with pytest.raises(LockedError, match="deleted or replaced"):
        await asyncio.wait_for(desk.loops["files"], 10)


@pytest.mark.catalogue(77)
async def test_a_full_disk_stops_entries_and_costs_no_exit(desk: Desk) -> None:
    tries = 0

    @attrs.frozen
    class Full:
        """Has room again once the ballast is gone."""

        inner: Any

        async def commit(self, changes: Changes) -> Committed:
            nonlocal tries
            tries += 1
            if desk.guards.ballast.path.exists():
                raise DiskFullError("the disk is full")
            return await self.inner.commit(changes)

    desk.guards.storage = Full(desk.guards.storage)
    assert desk.guards.no_entry(SYMBOL) is None
    key = intent_key(SYMBOL, Side.SELL, Purpose.STOP_LOSS, "1")
    sale = Intent(key, SYMBOL, Side.SELL, Purpose.STOP_LOSS, "", "t", START_MS, quantity=Decimal(1))
    assert await desk.guards.provident.commit(
        Changes(ts_ms=START_MS, trace_id="0" * 16, planned=((sale, {}),))
    )
    assert tries == 2
    assert desk.guards.no_entry(SYMBOL) == "disk_full"


@pytest.mark.catalogue(164)
async def test_nobody_watching_stops_entries_until_somebody_does_for_a_while(desk: Desk) -> None:
    desk.guards.watchman = watchman = Watchman.spawn([sys.executable, "-c", WATCHING])
    assert desk.guards.no_entry(SYMBOL) is None
    for _ in range(2):
        os.kill(watchman.pid, signal.SIGKILL)
        end = time.monotonic() + 20
        while watchman.alive():
            assert time.monotonic() < end
        assert desk.guards.no_entry(SYMBOL) == "dms_down"
        await desk.round()
        assert watchman.alive()
        assert desk.guards.no_entry(SYMBOL) == "dms_down"  # it might die at its start again
    await desk.round()
    assert desk.guards.no_entry(SYMBOL) is None
    watchman.close()
