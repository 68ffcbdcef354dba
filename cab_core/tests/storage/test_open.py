from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cab_core.errors import RefusedError, StorageError
from cab_core.storage import (
    Connection,
    NoDatabaseError,
    Store,
    bind_account,
    journal,
    kv_load,
    kv_save,
    open_sync,
    verify_journal,
    visit,
)
from cab_core.storage.location import PostgresServer, parse
from cab_core.storage.schema import HEAD


def _pragmas(conn: Connection) -> dict[str, object]:
    names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    return {name: conn.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names}


async def test_a_new_database_is_private_and_starts_at_epoch_one(path: Path) -> None:
    store = await Store.open(path)
    assert store.epoch == 1
    await store.close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == [path.name]  # the log was written back


async def test_the_write_ahead_log_is_as_private_as_the_database(store: Store, path: Path) -> None:
    await store.transact(lambda c: kv_save(c, {"a": "1"}))

    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


@pytest.mark.catalogue(83)
async def test_every_connection_is_durable(store: Store, path: Path) -> None:
    durable = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}

    assert await store.transact(_pragmas) == durable
    assert await store.read(_pragmas) == durable
    for read_only in (True, False):
        with open_sync(path, read_only=read_only) as conn:
            assert _pragmas(conn) == durable


@pytest.mark.parametrize("scheme", ["sqlite+aiosqlite:///", "sqlite:///"])
async def test_a_url_names_the_same_file_as_its_path(path: Path, scheme: str) -> None:
    store = await Store.open(f"{scheme}{path}")
    await store.transact(lambda c: kv_save(c, {"a": "1"}))
    await store.close()

    with open_sync(path) as conn:
        assert kv_load(conn) == {"a": "1"}


async def test_a_path_with_the_signs_of_urls_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "50% off?" / "a#b.sqlite3"
    store = await Store.open(path)
    await store.transact(lambda c: kv_save(c, {"a": "1"}))
    assert await store.read(kv_load) == {"a": "1"}
    await store.close()

    assert path.is_file()


@pytest.mark.parametrize("url", ["mysql://host/name", "postgresql://host/name", "sqlite://", "://"])
async def test_an_unsupported_url_is_refused(url: str) -> None:
    with pytest.raises(StorageError) as refused:
        await Store.open(url)
    assert "sqlite+aiosqlite" in refused.value.fix


async def test_a_newer_instance_fences_off_the_older_one(store: Store, path: Path) -> None:
    newer = await Store.open(path)
    assert newer.epoch == store.epoch + 1

    with pytest.raises(StorageError, match="another instance"):
        await store.transact(lambda c: kv_save(c, {"a": "old"}))
    await newer.transact(lambda c: kv_save(c, {"a": "new"}))
    assert await newer.read(kv_load) == {"a": "new"}
    await newer.close()


async def test_readers_cannot_write(store: Store) -> None:
    with pytest.raises(StorageError):
        await store.read(lambda c: kv_save(c, {"a": "1"}))
    assert await store.read(kv_load) == {}


async def test_a_reader_sees_one_snapshot_and_does_not_hold_up_the_writer(store: Store, path: Path) -> None:
    with open_sync(path) as conn:
        before = kv_load(conn)
        await store.transact(lambda c: kv_save(c, {"a": "1"}))
        assert kv_load(conn) == before == {}
    assert await store.read(kv_load) == {"a": "1"}


async def test_a_database_belongs_to_one_account(store: Store) -> None:
    await store.transact(lambda c: bind_account(c, "paper"))
    await store.transact(lambda c: bind_account(c, "paper"))

    with pytest.raises(RefusedError, match="'paper', not to 'live:gateio'"):
        await store.transact(lambda c: bind_account(c, "live:gateio"))


def _make_newer(path: Path) -> None:
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '0999'")
    raw.close()


async def _bytes_after_refusal(path: Path, match: str) -> None:
    before = path.read_bytes()
    with pytest.raises(StorageError, match=match) as refused:
        await Store.open(path)
    assert refused.value.where == str(path)
    assert refused.value.fix
    assert path.read_bytes() == before
    with pytest.raises(StorageError, match=match):
        visit(path, kv_load)
    assert path.read_bytes() == before


@pytest.mark.catalogue(90)
async def test_a_newer_database_is_refused_unchanged(path: Path) -> None:
    await (await Store.open(path)).close()
    _make_newer(path)

    await _bytes_after_refusal(path, f"schema 0999, this version of cab knows up to {HEAD}")


async def test_a_database_of_another_program_is_refused_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite3"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE songs (title TEXT)")
    raw.close()

    await _bytes_after_refusal(path, "another program .tables: songs.")


@pytest.mark.parametrize("content", [b"date,open,high\n" * 500, b"x"])
async def test_a_file_that_is_no_database_is_refused_unchanged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "candles.csv"
    path.write_bytes(content)

    await _bytes_after_refusal(path, "not a SQLite database")
    assert [file.name for file in tmp_path.iterdir()] == ["candles.csv"]


async def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is not a file"):
        await Store.open(tmp_path)


async def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(StorageError, match="cannot be created"):
        await Store.open(tmp_path / "data" / "trader.sqlite3")


def test_a_missing_database_is_named(path: Path) -> None:
    with pytest.raises(NoDatabaseError, match="there is no database"):
        visit(path, kv_load)
    assert not path.parent.exists()


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder of our own, without root's power to write everywhere."""
    folder = Path(tempfile.mkdtemp())
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
        yield folder
        os.seteuid(0)
    else:
        yield folder
    for place in (folder, *folder.rglob("*")):
        place.chmod(0o700)
    shutil.rmtree(folder)


@pytest.mark.catalogue(79)
async def test_a_read_only_folder_is_refused_with_nothing_left(unprivileged: Path) -> None:
    unprivileged.chmod(0o500)
    with pytest.raises(StorageError) as refused:
        await Store.open(unprivileged / "data" / "trader.sqlite3")
    assert "writable" in refused.value.fix
    assert list(unprivileged.iterdir()) == []


@pytest.mark.catalogue(79)
@pytest.mark.parametrize("mode", ["file", "folder"])
async def test_a_read_only_database_is_refused(unprivileged: Path, mode: str) -> None:
    path = unprivileged / "data" / "trader.sqlite3"
    await (await Store.open(path)).close()
    before = path.read_bytes()
    locked = path if mode == "file" else path.parent
    locked.chmod(0o500)

    with pytest.raises(StorageError, match="read-only") as refused:
        await Store.open(path)
    assert refused.value.where == str(locked)
    assert path.read_bytes() == before


async def test_close_twice_and_use_after_close(path: Path) -> None:
    store = await Store.open(path)
    await store.close()
    await store.close()

    with pytest.raises(StorageError, match="closed"):
        await store.transact(kv_load)
    with pytest.raises(StorageError, match="closed"):
        await store.read(kv_load)


@pytest.mark.catalogue(2)
async def test_a_failed_transaction_leaves_nothing_behind(store: Store) -> None:
    def fails(conn: Connection) -> None:
        kv_save(conn, {"a": "1"})
        journal(conn, "test", {}, ts_ms=1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.transact(fails)

    assert await store.read(kv_load) == {}
    assert await store.transact(lambda c: journal(c, "test", {}, ts_ms=2)) == 1
    assert await store.read(verify_journal) == []


@pytest.mark.catalogue(2)
async def test_a_canceled_caller_leaves_a_whole_transaction(store: Store) -> None:
    started = threading.Event()

    def slow(conn: Connection) -> None:
        kv_save(conn, {"a": "1"})
        started.set()
        time.sleep(0.05)
        kv_save(conn, {"b": "2"})

    caller = asyncio.create_task(store.transact(slow))
    await asyncio.to_thread(started.wait, 5)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller

    assert await store.transact(kv_load) == {"a": "1", "b": "2"}


@pytest.mark.catalogue(87)
async def test_concurrent_callers_are_put_in_a_row(store: Store) -> None:
    callers = [store.transact(lambda c: journal(c, "test", {}, ts_ms=1)) for _ in range(50)]
    assert sorted(await asyncio.gather(*callers)) == list(range(1, 51))
    assert await store.read(verify_journal) == []


def test_databases_of_a_server_have_names_of_their_own_on_this_host() -> None:
    urls = (
        "postgresql+asyncpg://cab@127.0.0.1:55432/one",
        "postgresql+asyncpg://cab@127.0.0.1:55432/two",
        "postgresql+asyncpg://cab@127.0.0.1:55433/one",
        "postgresql+asyncpg://cab@db.example/one",
        "postgresql+asyncpg://cab@db.example/one?options=-csearch_path=other",
    )
    names = {place.file_name for url in urls if isinstance(place := parse(url), PostgresServer)}
    assert len(names) == len(urls)
    assert all("/" not in name for name in names)
    login = parse("postgresql+asyncpg://other:hunter2@db.example/one")
    assert isinstance(login, PostgresServer)
    assert login.file_name == "postgresql-db.example-5432-one"  # whoever logs in
