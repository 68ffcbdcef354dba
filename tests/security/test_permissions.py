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


def test_nobody_else_may_write_the_lock(folder: Path) -> None:
    assert mode(folder / "lock") & 0o022 == 0
