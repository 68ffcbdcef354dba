from __future__ import annotations

import asyncio
import json
import sqlite3
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cab_core.cli import invoke
from cab_core.safety.instance_lock import instance_lock
from cab_core.storage import Store, bind_account, kv_load, kv_save, migrate, open_sync, verify_journal
from cab_core.storage import journal as append
from cab_core.storage.audit_trail import AuditRow, load_audit
from cab_core.storage.backup import Backup, backups_of
from cab_core.storage.engine import sqlite_engine
from cab_core.storage.schema import HEAD

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(autouse=True)
def database(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An account with a few rows of journal, as a bot leaves it."""
    monkeypatch.setenv("DB_PATH", str(folder / "data" / "trader.sqlite3"))
    path = folder / "data" / "trader.sqlite3"
    asyncio.run(made(path, "paper"))
    return path


async def made(path: Path, account: str) -> None:
    store = await Store.open(path)
    await store.transact(lambda c: bind_account(c, account))
    for n in range(20):
        await store.transact(lambda c, n=n: append(c, "test", {"n": n}, ts_ms=n))
    await store.transact(lambda c: kv_save(c, {"balance": "10"}))
    await store.close()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``cab maintenance`` with ``--json``; return its exit code and document."""

    def call(*args: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = invoke(["maintenance", *args, "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out or err)

    return call


@pytest.fixture
def backup(run: Run, database: Path) -> Backup:
    assert run("backup")[0] == 0
    return backups_of(database)[-1]


def values(path: Path) -> dict[str, str]:
    with open_sync(path) as conn:
        return dict(kv_load(conn))


def save(path: Path, balance: str) -> None:
    with open_sync(path, read_only=False) as conn:
        kv_save(conn, {"balance": balance})


def audit(path: Path) -> list[AuditRow]:
    with open_sync(path) as conn:
        assert verify_journal(conn) == []
        return load_audit(conn)


def spoil(path: Path, seq: int = 7) -> None:
    """Change a row of the journal behind its back; the pages stay whole."""
    conn = sqlite3.connect(path)
    for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        conn.execute(f"DROP TRIGGER {name}")
    conn.execute("UPDATE journal SET payload = '{\"n\":99}' WHERE seq = ?", (seq,))
    conn.commit()
    conn.close()


def test_a_backup_is_whole_private_and_named_by_time_and_schema(run: Run, database: Path) -> None:
    code, told = run("backup")
    assert code == 0
    (backup,) = backups_of(database)
    assert told["file"] == str(backup.path)
    assert told["state"]["journal_seq"] == 20
    assert backup.revision == HEAD
    assert backup.path.parent == database.parent / "backups"
    assert stat.S_IMODE(backup.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(backup.path.parent.stat().st_mode) == 0o700
    assert [file.name for file in backup.path.parent.iterdir()] == [backup.path.name]  # no draft, no log
    assert run("integrity", str(backup.path))[0] == 0
    (row,) = audit(database)
    assert (row.entry.action, row.entry.surface, row.entry.target) == (
        "maintenance.backup",
        "cli",
        backup.path.name,
    )
    assert row.entry.actor.startswith("cli:")
    assert len(row.entry.trace_id) == 16


@pytest.mark.catalogue(86)
def test_a_backup_is_one_state_while_somebody_writes(run: Run, database: Path) -> None:
    """Each transaction writes two values that must agree; a torn copy would hold two different ones."""
    stop = threading.Event()

    def write() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            with open_sync(database, read_only=False) as conn:
                kv_save(conn, {"one": str(n), "two": str(n)})
                append(conn, "test", {"n": n}, ts_ms=n)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            code, told = run("backup")
            assert code == 0, told
            copy = sqlite3.connect(told["file"])
            pair = dict(
                copy.execute("SELECT key, value FROM paper_state WHERE key IN ('one', 'two')").fetchall()
            )
            copy.close()
            assert pair.get("one") == pair.get("two")
    finally:
        stop.set()
        writer.join()
    assert run("integrity")[1]["ok"] is True


def test_a_damaged_database_gives_no_backup(run: Run, database: Path) -> None:
    spoil(database)
    code, told = run("backup")
    assert code == 1
    assert "journal row 7 was changed" in told["error"]["what"]
    assert list((database.parent / "backups").iterdir()) == []


def test_dry_runs_change_nothing(run: Run, database: Path, backup: Backup) -> None:
    before = database.read_bytes()
    commands = (["backup"], ["rotate"], ["vacuum"], ["restore", backup.path.name])
    for command in commands:
        code, told = run(*command, "--dry-run")
        assert (code, told["dry_run"]) == (0, True)
    assert backups_of(database) == [backup]
    assert database.read_bytes() == before
    assert len(audit(database)) == 1  # the backup of the fixture


def test_rotation_removes_only_backups_and_says_so_in_the_journal(run: Run, database: Path) -> None:
    folder = database.parent / "backups"
    folder.mkdir()
    names = [f"trader.sqlite3.202601{day:02}T030000Z-{HEAD}.backup" for day in range(1, 29)]
    others = ["notes.txt", "other.sqlite3.20250101T030000Z-0001.backup", "trader.sqlite3.backup"]
    for name in (*names, *others):
        (folder / name).touch()
    code, told = run("rotate")
    assert code == 0
    left = {file.name for file in folder.iterdir()}
    assert left >= set(others) | set(names[-7:])
    assert len(left - set(others)) == len(told["kept"]) == 7 + 4
    (row,) = audit(database)
    assert (row.entry.action, len(row.entry.before), len(row.entry.after)) == ("maintenance.rotate", 28, 11)
    assert run("rotate")[1]["removed"] == []


def test_a_restored_backup_is_the_account_of_that_moment_and_the_other_one_is_kept(
    run: Run, database: Path, backup: Backup
) -> None:
    save(database, "7")
    code, told = run("restore", backup.path.name, "--yes")
    assert code == 0
    assert values(database) == {"balance": "10"}
    assert values(Path(told["replaced"])) == {"balance": "7"}
    for file in (database, Path(told["replaced"])):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (row,) = audit(database)
    assert (row.entry.action, row.entry.target) == ("maintenance.restore", backup.path.name)
    assert row.entry.before["journal_seq"] == 21
    assert row.entry.after["journal_seq"] == 20
    store_again(database)


def store_again(path: Path) -> None:
    async def opened() -> None:
        await (await Store.open(path)).close()

    asyncio.run(opened())


def test_a_database_that_is_gone_or_damaged_can_be_restored(run: Run, database: Path, backup: Backup) -> None:
    database.write_bytes(b"SQLite format 3\0" + b"\xff" * 9000)
    database.with_name(f"{database.name}-wal").write_bytes(b"\xff" * 100)
    code, told = run("restore", str(backup.path), "--yes")
    assert (code, told["before"]) == (0, None)
    assert values(database) == {"balance": "10"}
    assert Path(f"{told['replaced']}-wal").read_bytes() == b"\xff" * 100
    database.unlink()
    assert run("restore", str(backup.path), "--yes")[0] == 0
    assert values(database) == {"balance": "10"}


def test_nothing_is_restored_or_rewritten_while_a_bot_runs(run: Run, database: Path, backup: Backup) -> None:
    with instance_lock(database.parents[1] / "lock", 1):
        for command in (["restore", str(backup.path), "--yes"], ["vacuum"]):
            code, told = run(*command)
            assert (code, told["error"]["code"]) == (75, "CAB-E204")
        assert run("backup")[0] == 0
        assert run("integrity")[0] == 0
    assert values(database) == {"balance": "10"}


def test_a_restoration_must_be_confirmed(run: Run, backup: Backup) -> None:
    code, told = run("restore", str(backup.path))
    assert code == 8
    assert "--yes" in told["error"]["fix"]


@pytest.mark.parametrize("harm", ["spoiled", "newer", "foreign", "account", "missing"])
def test_a_backup_that_does_not_fit_is_refused_before_anything_is_touched(
    run: Run, database: Path, backup: Backup, harm: str
) -> None:
    file, before = backup.path, database.read_bytes()
    if harm == "spoiled":
        spoil(file)
    elif harm == "newer":
        conn = sqlite3.connect(file)
        conn.execute("UPDATE alembic_version SET version_num = '9999'")
        conn.commit()
        conn.close()
    elif harm == "foreign":
        file.write_bytes(b"no database at all")
    elif harm == "account":
        asyncio.run(made(file.parent / "live.sqlite3", "live:gateio"))
        file = file.parent / "live.sqlite3"
    else:
        file = file.with_name("nothing.backup")
    code, told = run("restore", str(file), "--yes")
    expected = {
        "spoiled": (1, "journal row 7 was changed"),
        "newer": (1, "schema 9999"),
        "foreign": (1, "not a SQLite database"),
        "account": (8, "live:gateio"),
        "missing": (4, "nothing.backup"),
    }
    assert code == expected[harm][0]
    assert expected[harm][1] in told["error"]["what"]
    assert database.read_bytes() == before


def test_vacuum_gives_the_room_of_deleted_rows_back(run: Run, database: Path) -> None:
    with open_sync(database, read_only=False) as conn:
        kv_save(conn, {f"k{n}": "x" * 1000 for n in range(500)})
    with open_sync(database, read_only=False) as conn:
        conn.exec_driver_sql("DELETE FROM paper_state WHERE key LIKE 'k%'")
    code, told = run("vacuum")
    assert code == 0
    assert told["after"] < told["before"] / 2
    assert values(database) == {"balance": "10"}
    assert run("integrity")[1] == {"where": str(database), "ok": True, "problems": []}
    assert [row.entry.action for row in audit(database)] == ["maintenance.vacuum"]


def test_integrity_names_a_changed_row_and_a_broken_page(run: Run, database: Path) -> None:
    spoil(database)
    code, told = run("integrity")
    assert code == 1
    assert any("journal row 7 was changed" in problem for problem in told["problems"])
    content = bytearray(database.read_bytes())
    for start in range(4096, len(content), 4096):
        content[start + 8 : start + 40] = b"\xff" * 32
    database.write_bytes(content)
    assert run("integrity")[0] == 1


def test_a_database_server_has_tools_of_its_own(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+asyncpg://cab:hidden-word@127.0.0.1:1/cab")
    for command in (["vacuum"], ["restore", "x", "--yes"]):
        code, told = run(*command)
        assert code == 2
        assert "cab maintenance copy" in told["error"]["fix"]
        assert "hidden-word" not in json.dumps(told)
    code, told = run("backup")
    assert code == 1
    assert "DATABASE_URL" in told["error"]["fix"]
    assert "hidden-word" not in json.dumps(told)


def test_without_a_database_it_says_so(run: Run, database: Path) -> None:
    database.unlink()
    for command in ("backup", "rotate", "vacuum", "integrity"):
        assert run(command)[0] == 5


def older(path: Path) -> None:
    """Make a database as the first release left it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch()
    with sqlite_engine(path).connect() as conn, conn.begin():
        migrate.upgrade(conn, "0001")
        bind_account(conn, "paper")
        append(conn, "test", {"n": 1}, ts_ms=1)
        conn.exec_driver_sql("INSERT INTO paper_state (key, value) VALUES ('balance', '3')")


def test_an_upgrade_backs_up_first_and_the_backup_leads_back(run: Run, database: Path) -> None:
    older(database)
    store_again(database)
    assert migrate.look(database) == HEAD
    (kept,) = backups_of(database)
    assert kept.revision == "0001"
    assert run("restore", str(kept.path), "--yes")[0] == 0
    assert migrate.look(database) == "0001"
    store_again(database)  # and it can be upgraded again
    assert values(database) == {"balance": "3"}
    assert [row.entry.action for row in audit(database)] == ["maintenance.restore"]


def test_there_is_no_migration_without_a_backup(run: Run, database: Path) -> None:
    older(database)
    spoil(database, 1)
    before = database.read_bytes()
    with pytest.raises(Exception, match=r"not migrated to .* without a backup: .*damaged"):
        store_again(database)
    assert migrate.look(database) == "0001"
    assert database.read_bytes() == before


def test_a_backup_may_be_taken_before_the_new_version_starts(run: Run, database: Path) -> None:
    older(database)
    code, told = run("backup")
    assert (code, told["state"]["schema"]) == (0, "0001")
