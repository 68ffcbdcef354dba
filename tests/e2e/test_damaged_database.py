"""A bot does not trade on a damaged database."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from cab_core.data.files import write_candles
from cab_core.data.generator import generate

PROGRAM = "from cab_core.cli import main; main()"


@pytest.fixture
def run(tmp_path: Path):
    """Run a paper bot over a day of candles; the folder holds its database."""
    candles = tmp_path / "BTC-USDT_15m.csv.gz"
    write_candles(candles, generate("BTC/USDT", 1, 3))
    given = {
        "MODE": "paper",
        "EXCHANGE": "gateio",
        "SYMBOLS": "BTC/USDT",
        "STRATEGY_SET": "ema_cross",
        "DB_PATH": str(tmp_path / "t.sqlite3"),
        "INSTANCE_LOCK_PATH": str(tmp_path / "lock"),
    }
    command = [sys.executable, "-c", PROGRAM, "run", "--market", f"file:{candles}", "--speed", "max"]

    def started() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env={**os.environ, **given}, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    return started


@pytest.mark.catalogue(82)
def test_a_changed_row_of_the_journal_refuses_the_start(run, tmp_path: Path):
    assert run().returncode == 0
    with sqlite3.connect(tmp_path / "t.sqlite3") as conn:
        assert conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            conn.execute(f"DROP TRIGGER {name}")
        changed = conn.execute("UPDATE journal SET payload = replace(payload, ':', ' :') WHERE seq = 2")
        assert changed.rowcount == 1
    refused = run()
    assert refused.returncode == 1
    assert "journal row 2 was changed after it was written" in refused.stderr
    assert "cab verify" in refused.stderr


@pytest.mark.catalogue(81)
def test_broken_pages_refuse_the_start(run, tmp_path: Path):
    assert run().returncode == 0
    database = tmp_path / "t.sqlite3"
    content = bytearray(database.read_bytes())
    page = 4096
    for start in range(page, len(content), page):  # the first one holds the schema
        content[start + 8 : start + 40] = b"\xff" * 32
    database.write_bytes(content)
    before = database.read_bytes()
    refused = run()
    assert refused.returncode != 0
    assert "damaged" in refused.stderr
    assert database.read_bytes()[page:] == before[page:]
