"""A paper run over recorded candles against a reference run: every decision, every trade, every journal row.

The market is ``tests/fixtures/market_data.json``; ``--duration`` says how much of it is lived through. To
write the reference anew after a change that is meant to change decisions, run this file with Python.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

import pytest

from cab_core.storage import journal_rows, load_fills, load_traces, visit

CAB = Path(sysconfig.get_path("scripts")) / "cab"
FIXTURES = Path(__file__).parents[1] / "fixtures"
REFERENCE = FIXTURES / "reference_run.json"
MARKET = FIXTURES / "market_data.json"
BAR_MINUTES = 15
#: Candles before the first one the reference compares: the longest warm-up and a day.
WARM_BARS = 384
SETTINGS = (
    "MODE=paper",
    "EXCHANGE=gateio",
    "SYMBOLS=BTC/USDT",
    "STRATEGY_SET=donchian_breakout,ema_cross,supertrend,bollinger_bands,rsi_momentum",
    "STRATEGY_MODE=first",
    "TREND_REQUIRE_UP=false",
    "TREND_UNKNOWN_POLICY=allow",
    "VOLUME_FILTER_ENABLED=false",
    "TAKE_PROFIT_1_PCT=0.4",
    "TAKE_PROFIT_2_PCT=1",
    "STOP_LOSS_PCT=1",
    "TRAILING_STOP_PCT=0.5",
    "DB_PATH=trader.sqlite3",
    "INSTANCE_LOCK_PATH=lock",
)


def bars_of(duration: str) -> int:
    found = re.fullmatch(r"(\d+)(m|h)", duration)
    if found is None:
        pytest.fail(f"--duration {duration}: write 30m or 2h")
    minutes = int(found[1]) * (60 if found[2] == "h" else 1)
    return max(1, minutes // BAR_MINUTES)


def play(folder: Path, bars: int) -> dict[str, Any]:
    """Let ``cab run`` live through the market and return what it decided and traded in the last ``bars``."""
    rows = json.loads(MARKET.read_text(encoding="utf-8"))["BTC/USDT"][: WARM_BARS + bars]
    lines = ["ts_ms,open,high,low,close,volume", *(",".join(map(str, row)) for row in rows)]
    (folder / "BTC-USDT_15m.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    overrides = [text for setting in SETTINGS for text in ("--set", setting)]
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    subprocess.run(
        [str(CAB), "run", "--market", "file:BTC-USDT_15m.csv", "--speed", "max", "--json", *overrides],
        cwd=folder,
        env=clean,
        check=True,
        capture_output=True,
        timeout=120,
    )
    since_ms = rows[WARM_BARS][0]
    database = folder / "trader.sqlite3"
    traces = visit(database, lambda conn: load_traces(conn, since_ms=since_ms))
    fills = visit(database, lambda conn: load_fills(conn, since_ms=since_ms))
    rows_kept = visit(database, lambda conn: list(journal_rows(conn)))
    return {
        "decisions": [[t.candle_ts_ms, t.action, t.reason] for t in traces],
        "fills": [[f.ts_ms, str(f.side), f"{f.quantity:f}", f"{f.price:f}", f"{f.fee:f}"] for f in fills],
        "events": [[row.ts_ms, row.kind, row.ref] for row in rows_kept if row.ts_ms >= since_ms],
    }


@pytest.mark.paper_reference
def test_a_paper_run_is_the_reference_run(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    bars = bars_of(pytestconfig.getoption("--duration"))
    reference = json.loads(REFERENCE.read_text(encoding="utf-8"))
    assert bars <= len(reference["decisions"]), "the fixture has no more market than this"
    found = play(tmp_path, bars)
    assert found["decisions"] == reference["decisions"][:bars]
    end_ms = found["decisions"][-1][0] + BAR_MINUTES * 60_000
    assert found["fills"] == [fill for fill in reference["fills"] if fill[0] < end_ms]
    assert found["events"] == reference["events"][: len(found["events"])]
    assert sum(kind == "cycle" for _, kind, _ in found["events"]) >= bars
    assert found["fills"], "a reference without a trade compares nothing"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        market = json.loads(MARKET.read_text(encoding="utf-8"))["BTC/USDT"]
        REFERENCE.write_text(json.dumps(play(Path(made), len(market) - WARM_BARS)) + "\n", encoding="utf-8")
