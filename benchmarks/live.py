"""Live: candle to order through real ccxt and HTTP, commits, recovery, memory, and what idling costs."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from benchmarks.engine import NINE
from benchmarks.measure import Figure, percentile
from benchmarks.processes import CAB, core_share, rss_mib

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
#: So many simulated days of three symbols are 10,000 cycles.
DAYS = 35
#: Orders whose outcome is open when the bot is started again.
OPEN_INTENTS = 5
_KEYS = {"API_KEY": "k83hf93hf03k", "API_SECRET": "s93hf93hf93hf0", "API_TOKEN": "bench-token-83hf83hf83"}


@attrs.frozen
class Desk:
    """A folder with settings for one exchange."""

    folder: Path
    facts: dict[str, Any]

    def settings(self, **more: str) -> dict[str, str]:
        """Return the environment of a bot."""
        (self.folder / "cab.toml").write_text(
            f'[brokers.gateio]\nbase_url = "{self.facts["base_url"]}"\nrate_rps = 15\nrate_burst = 50\n'
        )
        return {
            "MODE": "live",
            "EXCHANGE": "gateio",
            "SYMBOLS": ",".join(SYMBOLS),
            "STRATEGY_SET": NINE,
            "STRATEGY_MODE": "vote",
            "DB_PATH": str(self.folder / "live.sqlite3"),
            "INSTANCE_LOCK_PATH": str(self.folder / "live.lock"),
            "TREND_UNKNOWN_POLICY": "allow",
            "RISK_LOSS_STREAK_COUNT": "50",
            **_KEYS,
            **more,
        }


def live(folder: Path, days: int = DAYS) -> list[Figure]:
    """Take all figures of live trading."""
    with exchange(folder, days, "manual") as facts:
        desk = Desk(folder, facts)
        quick = {"EXITS_INTERVAL_SEC": "300", "RECONCILE_INTERVAL_SEC": "3600"}
        taken = _bot(desk, days, quick)
        leave_open(folder / "live.sqlite3")
        recovered = [_timed_bot(desk, quick)]
    with exchange(folder, 10, "1") as facts:
        used, resident = _idle(Desk(folder, facts))
    orders, commits = ([1000 * s for s in taken[name]] for name in ("orders", "commits"))
    note = f"{len(orders)} orders in {taken['cycles']} cycles"
    slope = _slope(taken["memory"])
    return [
        Figure("live, candle to order sent, p50", [percentile(orders, 0.5)], "ms", note=note),
        Figure("  p99", [percentile(orders, 0.99)], "ms"),
        Figure("journal commit, p50", [percentile(commits, 0.5)], "ms", note=f"{len(commits)} commits"),
        Figure("  p99", [percentile(commits, 0.99)], "ms"),
        Figure("start to ready after SIGKILL", recovered, "s", 5.0, note=f"{days} days, 5 open intents"),
        Figure("live, idle: memory", [resident], "MiB", 220.0),
        Figure("  share of a core", [100 * used], "%"),
        Figure(f"live, after {taken['cycles']} cycles: memory", taken["memory"][-1:], "MiB", 220.0),
        Figure("  growth per simulated day", [slope], "MiB", 1.0),
    ]


@contextmanager
def exchange(
    folder: Path, days: int, speed: str, symbols: Sequence[str] = SYMBOLS
) -> Iterator[dict[str, Any]]:
    """Serve a made-up market from a process of its own."""
    command = [CAB, "exchange", "serve", "--port", "0", "--json", "--speed", speed]
    command += ["--symbols", ",".join(symbols), "--days", str(days * 3 // 2 + 5), "--control-token", "bench"]
    command += ["--key", _KEYS["API_KEY"], "--secret", _KEYS["API_SECRET"]]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout is None:
            raise RuntimeError("it has no output")
        yield json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def leave_open(database: Path) -> None:
    """Bring finished entries back to the state in which a kill right after their send leaves them."""
    with sqlite3.connect(database) as conn:
        conn.execute(
            "UPDATE order_intents SET state = 'sent' WHERE rowid IN (SELECT rowid FROM order_intents"
            " WHERE purpose = 'entry' AND state = 'done' ORDER BY created_ms DESC LIMIT ?)",
            (OPEN_INTENTS,),
        )
    conn.close()


def _bot(desk: Desk, days: int, more: dict[str, str]) -> dict[str, Any]:
    told = {
        "folder": str(desk.folder),
        "control_url": desk.facts["control_url"],
        "days": days,
        "settings": desk.settings(**more),
    }
    command = [sys.executable, "-m", "benchmarks.live_bot", json.dumps(told)]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True)
    taken: dict[str, Any] = json.loads(done.stdout)
    return taken


def _timed_bot(desk: Desk, more: dict[str, str]) -> float:
    """Return the seconds from the start of a process until its bot is ready."""
    began = time.time()
    return float(_bot(desk, 0, more)["ready_at"]) - began


def _idle(desk: Desk, seconds: float = 20.0) -> tuple[float, float]:
    """Return the share of a core and the memory of a live bot on three symbols at real speed."""
    env = {**os.environ, **desk.settings(DB_PATH=str(desk.folder / "idle.sqlite3"), DMS_ENABLED="false")}
    with (desk.folder / "idle.log").open("w") as log:
        child = subprocess.Popen([CAB, "run", "--yes-live"], cwd=desk.folder, env=env, stdout=log, stderr=log)
        try:
            time.sleep(20.0)
            used = core_share(child.pid, seconds)
            resident = rss_mib(child.pid)
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(60)
    return used, resident


def _slope(memory: Sequence[float]) -> float:
    """Return the growth per day over the second half, in which nothing warms up any more."""
    half = memory[len(memory) // 2 :]
    if len(half) < 2:
        return 0.0
    return statistics.linear_regression(range(len(half)), half).slope
