"""What a run writes belongs to its user alone, whatever the umask of whoever started it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cab_core.data.files import write_candles
from cab_core.data.generator import generate

PROGRAM = "from cab_core.cli import main; main()"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a bot has traded and a backup was taken, under the umask that protects least."""
    folder = tmp_path_factory.mktemp("bot")
    write_candles(folder / "BTC-USDT_15m.csv.gz", generate("BTC/USDT", 2, 3))
    environment = {
        **os.environ,
        "MODE": "paper",
        "EXCHANGE": "gateio",
        "SYMBOLS": "BTC/USDT",
        "DB_PATH": str(folder / "data/trader.sqlite3"),
        "INSTANCE_LOCK_PATH": str(folder / "lock"),
        "API_ENABLED": "false",
    }
    market = ["--market", f"file:{folder / 'BTC-USDT_15m.csv.gz'}", "--speed", "max"]
    for command in (["run", *market], ["maintenance", "backup"]):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *command],
            cwd=folder,
            env=environment,
            umask=0o000,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    return folder


def test_folders_are_private(folder: Path) -> None:
    assert mode(folder / "data") == mode(folder / "data/backups") == 0o700


def test_files_of_the_account_are_private(folder: Path) -> None:
    files = [path for path in (folder / "data").rglob("*") if path.is_file()]
    assert len(files) >= 2
    assert {path.name: oct(mode(path)) for path in files if mode(path) & 0o077} == {}


def test_nobody_else_may_read_the_lock_as_who_reads_it_may_hold_it(folder: Path) -> None:
    assert mode(folder / "lock") == 0o600


def test_the_first_to_write_makes_private_folders_whatever_it_writes(tmp_path: Path) -> None:
    write_candles(tmp_path / "BTC-USDT_15m.csv.gz", generate("BTC/USDT", 2, 3))
    command = ["backtest", "--data", "BTC-USDT_15m.csv.gz", "--report", "data/reports/deep/first.html"]
    assert cab(tmp_path, command, {"DB_PATH": "data/trader.sqlite3"}) == ""
    made = [path for path in (tmp_path / "data", *(tmp_path / "data").rglob("*")) if path.is_dir()]
    assert {tmp_path / "data/runs", tmp_path / "data/reports/deep"} <= set(made)
    assert {str(path): oct(mode(path)) for path in made if mode(path) != 0o700} == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user for a moment")
def test_another_user_of_the_machine_cannot_keep_the_bot_from_starting(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    write_candles(tmp_path / "BTC-USDT_15m.csv.gz", generate("BTC/USDT", 2, 3))
    run = ["run", "--market", "file:BTC-USDT_15m.csv.gz", "--speed", "max"]
    for named in ({}, {"INSTANCE_LOCK_PATH": str(tmp_path / "cab.lock")}):
        assert cab(tmp_path, run, named) == ""
        lock = Path(named.get("INSTANCE_LOCK_PATH", tmp_path / "data/trader.sqlite3.lock"))
        held = subprocess.run(["flock", "-n", lock, "true"], user=65534, capture_output=True, check=False)
        assert held.returncode != 0
        assert b"denied" in held.stderr
    (tmp_path / "theirs.lock").touch()
    os.chown(tmp_path / "theirs.lock", 65534, 65534)
    (tmp_path / "link.lock").symlink_to(tmp_path / "cab.lock")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    for name, why in (
        ("theirs.lock", "belongs to another user, nobody"),
        ("link.lock", "is a link"),
        ("open/cab.lock", "any user of this host may replace the lock in this folder"),
    ):
        told = cab(tmp_path, run, {"INSTANCE_LOCK_PATH": str(tmp_path / name)})
        assert why in told
        assert "INSTANCE_LOCK_PATH" in told


def cab(folder: Path, command: list[str], settings: dict[str, str]) -> str:
    """Run a command under the umask that protects least; return what it complains about."""
    usual = {"MODE": "paper", "EXCHANGE": "gateio", "SYMBOLS": "BTC/USDT", "API_ENABLED": "false"}
    environment = {**os.environ, "DB_PATH": "data/trader.sqlite3", **usual, **settings}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command],
        cwd=folder,
        env=environment,
        umask=0o000,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr if done.returncode else ""
