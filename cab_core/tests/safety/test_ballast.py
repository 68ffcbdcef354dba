from __future__ import annotations

import contextlib
import sqlite3
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from cab_core.domain.orders import Intent, OrderState, Purpose, Side, intent_key
from cab_core.errors import DiskFullError, StorageBusyError, StorageError
from cab_core.ports import Changes, Committed, Cycle, IntentChange
from cab_core.safety.ballast import Ballast, provident
from cab_core.safety.patience import Patience
from cab_core.storage import Store, intents_open, journal, load_traces, verify_journal
from cab_core.storage.records import Records

SYMBOL = "BTC/USDT"
MIB = 1 << 20


def intent(side: Side, ref: int) -> Intent:
    purpose = Purpose.ENTRY if side is Side.BUY else Purpose.STOP_LOSS
    return Intent(
        key=intent_key(SYMBOL, side, purpose, str(ref)),
        symbol=SYMBOL,
        side=side,
        purpose=purpose,
        reason="test",
        trace_id=f"{ref:016x}",
        created_ms=ref,
        cost=Decimal(50) if side is Side.BUY else None,
        quantity=None if side is Side.BUY else Decimal("0.1"),
    )


def plan(side: Side, ref: int) -> Changes:
    made = intent(side, ref)
    cycle = Cycle(
        trace_id=made.trace_id, symbol=SYMBOL, candle_ts_ms=ref, close=Decimal(1), action="buy",
        reason="vote", order_key=made.key, trace={},
    )  # fmt: skip
    return Changes(
        ts_ms=ref,
        trace_id=made.trace_id,
        planned=((made, {}),),
        cycle=cycle if side is Side.BUY else None,
    )


async def fill_up(store: Store) -> None:
    """Write until not even a byte more fits."""
    for size in (200_000, 20_000, 2_000, 10):
        with contextlib.suppress(StorageError):
            for n in range(1000):
                text = "x" * size
                await store.transact(lambda conn, t=text, n=n: journal(conn, "test", {"t": t}, ts_ms=n))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here (needs root)")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def check_entry_refused_exit_written(store: Store, ballast: Ballast) -> None:
    """The order of a full disk: first an entry is due, then an exit."""
    storage = provident(Records(store, "paper"), ballast)
    assert ballast.entries_allowed() is None

    assert (await storage.commit(plan(Side.BUY, 1))).refused == "disk_full"  # so nothing is sent
    assert ballast.entries_allowed() == "disk_full"
    assert await storage.commit(plan(Side.SELL, 2))
    sale = intent(Side.SELL, 2)
    for state in (OrderState.SENT, OrderState.ACKED, OrderState.DONE):
        moved = (IntentChange(key=sale.key, attempt=1, to=state),)
        assert await storage.commit(Changes(ts_ms=3, trace_id="0" * 16, moved=moved))

    assert await store.read(intents_open) == []  # the entry never was, the exit is done
    (trace,) = await store.read(load_traces)
    assert (trace.action, trace.reason, trace.order_key) == ("hold", "disk_full", None)
    assert await store.read(verify_journal) == []


@pytest.mark.catalogue(77)
async def test_on_a_full_disk_entries_are_refused_and_exits_written(small_disk):
    path = small_disk / "trader.sqlite3"
    store = await Store.open(path)
    ballast = Ballast.beside(path, size=MIB, reserve=MIB)
    assert ballast.hold()
    await fill_up(store)
    with pytest.raises(DiskFullError):
        await Records(store, "paper").commit(plan(Side.SELL, 9))  # without the ballast even an exit fails
    await check_entry_refused_exit_written(store, ballast)
    assert not ballast.path.exists()

    assert not ballast.hold()  # there is no room for it yet
    assert ballast.entries_allowed() == "disk_full"
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    assert ballast.hold()
    assert ballast.entries_allowed() is None
    assert await provident(Records(store, "paper"), ballast).commit(plan(Side.BUY, 5))
    await store.close()


@pytest.mark.catalogue(77)
async def test_where_giving_the_ballast_up_does_not_help_nothing_is_written_until_there_is_room(tmp_path):
    path = tmp_path / "trader.sqlite3"
    store = await Store.open(path)
    pages = await store.transact(lambda conn: conn.exec_driver_sql("PRAGMA page_count").scalar())
    await store.transact(lambda conn: conn.exec_driver_sql(f"PRAGMA max_page_count = {pages}").scalar())
    await fill_up(store)
    ballast = Ballast.beside(path, size=MIB)
    assert ballast.hold()
    storage = provident(Records(store, "paper"), ballast)
    for side in (Side.BUY, Side.SELL):
        with pytest.raises(DiskFullError):
            await storage.commit(plan(side, 1))
    assert ballast.entries_allowed() == "disk_full"
    assert await store.read(intents_open) == []
    assert await store.read(load_traces) == []

    await store.transact(lambda conn: conn.exec_driver_sql("PRAGMA max_page_count = 100000").scalar())
    assert await storage.commit(plan(Side.SELL, 2))
    assert [found.intent.side for found in await store.read(intents_open)] == [Side.SELL]
    assert await store.read(verify_journal) == []
    await store.close()


def test_the_ballast_is_really_on_the_disk_and_told_of_once(tmp_path):
    told: list[bool] = []
    ballast = Ballast.beside(tmp_path / "trader.sqlite3", on_change=told.append)
    assert ballast.hold()
    found = ballast.path.stat()
    assert found.st_size == 16 * MIB
    assert found.st_blocks * 512 >= 16 * MIB
    assert found.st_mode & 0o777 == 0o600
    assert ballast.release()
    assert not ballast.release()  # there was nothing left to give up
    assert ballast.hold()
    assert told == [False, True]


def test_a_truncated_ballast_is_made_whole(tmp_path):
    ballast = Ballast(tmp_path / "ballast", size=MIB)
    ballast.path.write_bytes(b"x")
    assert ballast.hold()
    assert ballast.path.stat().st_size == MIB


def test_where_it_cannot_be_made_entries_wait(tmp_path):
    assert not Ballast(tmp_path / "no such folder" / "ballast").hold()
    huge = Ballast(tmp_path / "ballast", size=1 << 60)
    assert not huge.hold()
    assert huge.entries_allowed() == "disk_full"
    assert not huge.path.exists()


@pytest.mark.catalogue(78)
async def test_while_another_process_writes_entries_are_refused_and_exits_tried_again(tmp_path):
    path = tmp_path / "trader.sqlite3"
    store = await Store.open(path)
    await store.transact(lambda conn: conn.exec_driver_sql("PRAGMA busy_timeout = 20"))
    other = sqlite3.connect(path, isolation_level=None)
    tries = 0

    @attrs.frozen
    class Counted:
        inner: Records

        async def commit(self, changes: Changes) -> Committed:
            nonlocal tries
            tries += 1
            if tries == 3:
                other.execute("ROLLBACK")
            return await self.inner.commit(changes)

    ballast = Ballast(tmp_path / "ballast", size=MIB)
    storage = provident(Counted(Records(store, "paper")), ballast, Patience(limit_s=0.5, pause_s=0.01))
    other.execute("BEGIN IMMEDIATE")
    assert await storage.commit(plan(Side.SELL, 1))
    assert tries == 3

    tries = 0
    other.execute("BEGIN IMMEDIATE")
    assert (await storage.commit(plan(Side.BUY, 2))).refused == "storage_busy"
    assert [found.intent.side for found in await store.read(intents_open)] == [Side.SELL]
    assert [trace.reason for trace in await store.read(load_traces)] == ["storage_busy"]

    tries = 10
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageBusyError):
        await storage.commit(plan(Side.SELL, 3))
    assert tries > 12
    assert ballast.entries_allowed() is None  # a busy database is no full disk
    other.close()
    await store.close()
