"""One recording under three time zones, in a night that changes their clocks: equal journals."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cab_core.data.files import write_candles
from cab_core.data.generator import generate
from cab_core.settings import SETTINGS
from cab_core.storage import journal_rows, verify_journal, visit

SYMBOL = "BTC/USDT"
#: 2024-03-30, 00:00 UTC: at 01:00 UTC of the next day central Europe springs forward.
EVE_MS = 1_711_756_800_000
_PROGRAM = """
import time
time.tzset()
from cab_core.app import session
session.SystemIds.trace_id = lambda self, made=iter(range(10**9)): f"{next(made):016x}"
from cab_core.cli import main
main()
"""


def run(folder: Path, candles: Path, zone: str) -> list[str]:
    """Run the bot through the candles in a process of that zone; return its journal, row by row."""
    folder.mkdir()
    known = {row.name for row in SETTINGS}
    environment = {
        **{name: value for name, value in os.environ.items() if name not in known},
        "TZ": zone,
        "MODE": "paper",
        "EXCHANGE": "gateio",
        "SYMBOLS": SYMBOL,
        "STRATEGY_SET": "ema_cross,donchian_breakout,supertrend",
        "STRATEGY_MODE": "vote",
        "TREND_UNKNOWN_POLICY": "allow",
        "VOLUME_FILTER_ENABLED": "false",
        "STOP_LOSS_PCT": "1.2",
        "DB_PATH": str(folder / "trader.sqlite3"),
        "INSTANCE_LOCK_PATH": str(folder / "lock"),
    }
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, "run", "--market", f"file:{candles}", "--speed", "max", "--json"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    database = folder / "trader.sqlite3"
    assert visit(database, verify_journal) == []
    return visit(database, lambda conn: [repr(row) for row in journal_rows(conn)])


@pytest.mark.catalogue(73)
def test_journals_are_equal_byte_for_byte_in_every_time_zone(tmp_path: Path) -> None:
    candles = tmp_path / "candles.csv"
    write_candles(candles, generate(SYMBOL, 3, 11, start_ms=EVE_MS))
    journals = {
        zone: run(tmp_path / f"run-{number}", candles, zone)
        for number, zone in enumerate(("UTC", "Europe/Berlin", "Pacific/Chatham"))
    }
    first = journals["UTC"]
    assert any("|sell|" in row for row in first), "the recording must make the bot trade"
    for zone, rows in journals.items():
        assert rows == first, zone
