"""A bot that is killed in the middle of a command has done it and written it down, or neither."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from operators_office import BTC, Office

from cab_core.app.desk.desk import Filter
from cab_core.storage import kv_load, verify_journal, visit

CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from operators_office import BTC, Office, order
from cab_core.app.desk import control
from cab_core.app.desk.commands import Action
from cab_core.settings import load_settings
from cab_core.storage import write_audit

folder, when = Path(sys.argv[2]), sys.argv[3]
bot = Office.made(folder, BTC, bars=96 * 30)

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def written(conn, entry, ts_ms):
    write_audit(conn, entry, ts_ms)
    die()

if when == "before the commit":
    control.write_audit = written
else:
    control.Control._apply = die

async def pausing(desk, running):
    await desk.do(order(Action.PAUSE, symbol=BTC, key="k"))

asyncio.run(bot.run(pausing))
"""


@pytest.mark.parametrize("when", ["before the commit", "after the commit"])
async def test_both_or_none(when: str, tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(tmp_path), when],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert child.returncode == -9, child.stderr.decode()[-2000:]
    done = when == "after the commit"
    bot = Office.opened(tmp_path, BTC)
    rows = (await bot.cold.audit(Filter()))[0]
    assert [row.after for row in rows] == ([{BTC: "paused"}] if done else [])
    saved = visit(bot.settings.db_path, kv_load)
    assert saved.get(f"state:{BTC}") == ('"paused"' if done else None)
    assert visit(bot.settings.db_path, verify_journal) == []
