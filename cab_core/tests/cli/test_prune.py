"""``cab maintenance prune``, as it is typed; killed and refused, too."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cab_core.cli import invoke
from cab_core.domain.timeframes import DAY_MS, TF_MS
from cab_core.storage import (
    AccountRow,
    Connection,
    Store,
    TraceRow,
    bind_account,
    load_traces,
    save_account,
    save_trace,
    verify_journal,
    visit,
)
from cab_core.storage.audit_trail import load_audit
from cab_core.storage.engine import sqlite_engine
from cab_core.storage.retention import BITE

Run = Callable[..., tuple[int, dict[str, Any]]]

NOW = 200 * DAY_MS
HOLDS = 3 * BITE + 10

_KILLED = """
import os, signal, sys
from cab_core.cli import invoke
from cab_core.storage import retention

bites, thin = 0, retention.thin_traces

def dies(*args):
    global bites
    bites += 1
    thinned = thin(*args)
    if bites == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return thinned

retention.thin_traces = dies
invoke(["maintenance", "prune"])
"""


@pytest.fixture(autouse=True)
def database(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recorded market's past of holds, its present at day 200."""
    path = folder / "data" / "trader.sqlite3"
    monkeypatch.setenv("DB_PATH", str(path))
    asyncio.run(_made(path))
    return path


async def _made(path: Path) -> None:
    store = await Store.open(path)
    await store.transact(_fill)
    await store.close()


def _fill(conn: Connection) -> None:
    bind_account(conn, "paper:sample")
    zero = Decimal(0)
    save_account(
        conn,
        AccountRow(baseline=zero, peak=zero, peak_since_ms=0, quote_free=zero, book={}, updated_ms=NOW),
    )
    for number in range(HOLDS):
        row = TraceRow(
            trace_id=f"{number:016x}",
            symbol="BTC/USDT",
            candle_ts_ms=number * TF_MS,
            close=Decimal(42),
            action="hold",
            reason="all_hold",
            payload={"number": number},
        )
        save_trace(conn, row, NOW)


def detailed(path: Path) -> int:
    return sum(bool(trace.payload) for trace in visit(path, load_traces))


def content(path: Path) -> list[str]:
    with sqlite_engine(path, read_only=True).connect() as conn:
        raw = conn.connection.driver_connection
        assert raw is not None
        return list(raw.iterdump())


def test_prune_lets_old_details_go_and_tells_so(run: Run, database: Path) -> None:
    before, size = content(database), database.stat().st_size
    code, told = run("maintenance", "prune", "--dry-run")
    assert (code, told["holds"], told["before_ms"]) == (0, HOLDS, NOW - 90 * DAY_MS)
    assert content(database) == before

    code, told = run("maintenance", "prune")
    assert (code, told["holds"], told["alerts"]) == (0, HOLDS, 0)
    assert told["freed"] > 0
    assert database.stat().st_size < size
    assert detailed(database) == 0
    (row,) = visit(database, lambda c: load_audit(c, action="maintenance.prune"))
    assert row.entry.after["holds"] == HOLDS
    assert visit(database, verify_journal) == []
    code, why = run("why", f"{7:016x}")
    assert (code, why["thinned"], why["reason"], why["close"]) == (0, True, "all_hold", 42.0)
    assert invoke(["why", f"{7:016x}"]) == 0

    code, again = run("maintenance", "prune")
    assert (code, again["holds"]) == (0, 0)


def test_prune_keeps_what_the_settings_keep(run: Run, database: Path) -> None:
    days = 200 - HOLDS * TF_MS // DAY_MS + 2
    code, told = run("maintenance", "prune", "--set", f"TRACE_KEEP_DAYS={days}")
    assert code == 0
    assert 0 < told["holds"] < HOLDS
    assert detailed(database) == HOLDS - told["holds"]


@pytest.mark.parametrize("days", ["0", "-1", "ten", "1.5", "1000000"])
def test_a_prune_that_is_refused_changes_nothing(run: Run, database: Path, days: str) -> None:
    before = content(database)
    code, told = run("maintenance", "prune", "--set", f"TRACE_KEEP_DAYS={days}")
    assert code == 78
    assert "TRACE_KEEP_DAYS" in json.dumps(told)
    assert content(database) == before


def test_no_database_is_nothing_to_prune(run: Run, tmp_path: Path) -> None:
    assert run("maintenance", "prune", "--set", f"DB_PATH={tmp_path / 'none.sqlite3'}")[0] == 5
    assert not (tmp_path / "none.sqlite3").exists()


@pytest.mark.parametrize("bite", [1, 3])
def test_a_killed_prune_leaves_a_whole_database_and_the_next_one_ends(
    run: Run, database: Path, bite: int
) -> None:
    done = subprocess.run([sys.executable, "-c", _KILLED, str(bite)], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert run("maintenance", "integrity")[0] == 0
    assert detailed(database) == HOLDS - (bite - 1) * BITE
    code, told = run("maintenance", "prune")
    assert (code, told["holds"]) == (0, HOLDS - (bite - 1) * BITE)
    assert detailed(database) == 0
    assert run("maintenance", "integrity")[0] == 0
