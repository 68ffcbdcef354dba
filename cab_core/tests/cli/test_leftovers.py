"""What killed backups and restorations leave on the disk, and who takes it away."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cab_core.storage import kv_save, open_sync
from cab_core.storage.backup import backups_of, drafts_of, replaced_of

Run = Callable[..., tuple[int, dict[str, Any]]]

#: Runs a command and stops once the copy is written but has not got its name: it dies, or waits for a line.
_STOPPED = """
import importlib, os, signal, sys
from cab_core.cli import invoke
from cab_core.storage import backup

restore = importlib.import_module("cab_core.app.maintenance.restore")

copy = backup.copy_database

def stops(source, target):
    copy(source, target)
    if sys.argv[1] == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    print("copied", flush=True)
    sys.stdin.readline()

backup.copy_database = restore.copy_database = stops
sys.exit(invoke(["maintenance", *sys.argv[2:]]))
"""


def stopped(how: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _STOPPED, how, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def killed(*arguments: str) -> None:
    process = stopped("dies", *arguments)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL


@pytest.fixture(autouse=True)
async def database(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from cab_core.storage import Store, bind_account

    path = folder / "data" / "trader.sqlite3"
    monkeypatch.setenv("DB_PATH", str(path))
    monkeypatch.setenv("INSTANCE_LOCK_PATH", str(folder / "bot.lock"))
    store = await Store.open(path)
    await store.transact(lambda c: bind_account(c, "paper"))
    await store.close()
    return path


@pytest.fixture
def living(database: Path) -> Iterator[subprocess.Popen[str]]:
    """A backup of another process, under way."""
    process = stopped("waits", "backup")
    assert process.stdout is not None
    assert process.stdout.readline() == "copied\n"
    yield process
    if process.poll() is None:
        process.kill()
        process.communicate()


def doctor(run: Run) -> list[dict[str, str]]:
    return [row for row in run("doctor")[1]["rows"] if row["check"] == "backup"]


@pytest.mark.parametrize("by", ["rotate", "backup"])
def test_the_draft_of_a_killed_backup_is_shown_and_swept_away(run: Run, database: Path, by: str) -> None:
    for _ in range(2):
        killed("backup")
    left = drafts_of(database)
    assert len(left) == 1  # the second backup swept away what the first had left
    (row,) = [row for row in doctor(run) if row["status"] == "warn" and "killed" in row["detail"]]
    assert row["fix"] == "run: cab maintenance rotate"
    code, told = run("maintenance", "rotate", "--dry-run")
    assert (code, told["removed"]) == (0, [str(left[0].path)])
    assert left[0].path.exists()
    assert run("maintenance", by)[0] == 0
    assert drafts_of(database) == []
    assert not left[0].path.exists()
    assert list(left[0].path.parent.glob(".*")) == []


def test_the_draft_of_a_killed_restoration_goes_with_what_lies_beside_it(run: Run, database: Path) -> None:
    backup = run("maintenance", "backup")[1]["file"]
    killed("restore", backup, "--yes")
    (draft,) = drafts_of(database)
    assert draft.path.parent == database.parent
    draft.path.with_name(f"{draft.path.name}-journal").write_bytes(b"x")
    assert run("maintenance", "restore", backup, "--yes")[0] == 0
    assert [
        path.name for path in database.parent.iterdir() if path.name.startswith(f".{database.name}.")
    ] == []
    assert run("maintenance", "integrity")[0] == 0


def test_a_backup_under_way_is_left_alone(run: Run, database: Path, living: subprocess.Popen[str]) -> None:
    folder = database.parent / "backups"
    (draft,) = folder.glob(".*")
    assert drafts_of(database) == []
    assert run("maintenance", "rotate")[1]["removed"] == []
    assert run("maintenance", "backup")[0] == 0
    assert draft.exists()
    living.communicate("go on\n", timeout=120)
    assert living.returncode == 0
    assert len(backups_of(database)) in {1, 2}  # both may have been taken within one second
    assert list(folder.glob(".*")) == []


def test_the_name_of_another_file_is_never_a_draft(run: Run, database: Path) -> None:
    kept = [".trader.sqlite3.notes", ".trader.sqlite3.abcdefgh.txt", ".other.sqlite3.abcdefgh"]
    for name in kept:
        database.with_name(name).write_text("mine")
    killed("backup")
    assert run("maintenance", "rotate")[0] == 0
    assert all(database.with_name(name).exists() for name in kept)


def test_rotation_counts_replaced_databases(run: Run, database: Path) -> None:
    days = [f"202601{day:02}T0{hour}0000Z" for day in range(1, 10) for hour in (1, 2)]
    for stamp in days:
        shutil.copy(database, f"{database}.replaced-{stamp}")
    Path(f"{database}.replaced-{days[0]}-wal").write_bytes(b"log")
    Path(f"{database}.replaced-by-hand").write_bytes(b"mine")
    (row,) = [row for row in doctor(run) if "replaced" in row["detail"]]
    assert row["detail"].startswith("18 replaced databases")
    code, told = run("maintenance", "rotate")
    assert code == 0
    assert [path.path.name[-16:] for path in replaced_of(database)] == days[5::2]
    assert len(told["removed"]) == 11
    assert not Path(f"{database}.replaced-{days[0]}-wal").exists()
    assert Path(f"{database}.replaced-by-hand").exists()
    with open_sync(database, read_only=False) as conn:  # the database itself is none of them
        kv_save(conn, {"still": "here"})
