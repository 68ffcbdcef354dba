from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cab_core.errors import StorageError
from cab_core.storage import (
    Connection,
    DatabaseFailedError,
    Store,
    journal,
    journal_rows,
    open_sync,
    verify_journal,
)


def _big(conn: Connection) -> int:
    return journal(conn, "test", {"text": "x" * 20_000}, ts_ms=1)


async def _until_refused(store: Store) -> tuple[int, StorageError]:
    """Write until the database refuses; return how many transactions it took, and the refusal."""
    for count in range(100):
        try:
            await store.transact(_big)
        except StorageError as error:
            return count, error
    raise AssertionError("the disk never became full")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here (needs root)")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_full_disk_keeps_what_was_acknowledged_and_nothing_else(small_disk: Path) -> None:
    path = small_disk / "trader.sqlite3"
    store = await Store.open(path)
    acknowledged, full = await _until_refused(store)
    assert full.where == str(path)
    assert full.fix
    assert "disk" in full.what
    assert acknowledged > 0
    with contextlib.suppress(StorageError):
        await store.close()

    with open_sync(path) as conn:
        assert [row.seq for row in journal_rows(conn)] == list(range(1, acknowledged + 1))
        assert verify_journal(conn) == []


async def test_no_database_is_left_where_there_is_no_room_for_one(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(b"x" * (360 * 1024))
    with pytest.raises(StorageError, match="disk"):
        await Store.open(small_disk / "trader.sqlite3")
    assert [file.name for file in small_disk.iterdir()] == ["filler"]


async def test_a_full_database_can_be_written_again_once_there_is_room(store: Store) -> None:
    pages = await store.transact(lambda c: c.exec_driver_sql("PRAGMA page_count").scalar())
    await store.transact(lambda c: c.exec_driver_sql(f"PRAGMA max_page_count = {pages}").scalar())
    with pytest.raises(StorageError, match="disk is full; nothing of this change was written"):
        await store.transact(_big)

    await store.transact(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 100000").scalar())
    assert await store.transact(_big) == 1
    assert await store.read(verify_journal) == []


_LIMITED = """
import asyncio, resource, sys
from cab_core.errors import StorageError
from cab_core.storage import DatabaseFailedError, Store, journal

async def main():
    store = await Store.open(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    for n in range(100):
        try:
            seq = await store.transact(lambda c: journal(c, "test", {"text": "x" * 20_000}, ts_ms=n))
        except DatabaseFailedError as error:
            print("failed", error.fix)
            break
        print(seq, flush=True)
    try:
        await store.transact(lambda c: journal(c, "test", {}, ts_ms=1))
    except StorageError as error:
        print("refused", type(error).__name__)

asyncio.run(main())
"""


@pytest.mark.catalogue(80)
def test_after_a_failed_write_the_process_writes_no_more(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    *acknowledged, failed, refused = done.stdout.split("\n")[:-1]
    assert failed.startswith("failed check the disk"), done.stderr
    assert refused == "refused DatabaseFailedError"

    with open_sync(path) as conn:
        assert [row.seq for row in journal_rows(conn)] == list(range(1, len(acknowledged) + 1))
        assert verify_journal(conn) == []


async def _open_and_write(path: Path) -> None:
    store = await Store.open(path)
    try:
        await store.transact(_big)
    finally:
        await store.close()


@pytest.mark.catalogue(81)
async def test_a_damaged_page_stops_the_process_from_writing(path: Path) -> None:
    store = await Store.open(path)
    for _ in range(20):
        await store.transact(_big)
    await store.close()
    with path.open("r+b") as file:
        file.seek(4096 * 2)
        file.write(os.urandom(4096 * 30))

    with pytest.raises(DatabaseFailedError, match="damaged") as damaged:
        await _open_and_write(path)
    assert "backup" in damaged.value.fix
