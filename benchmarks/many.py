"""Many symbols on one account: how late stops are looked at and candles are decided, at the default rate."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.live import exchange
from benchmarks.measure import Figure, percentile

SYMBOLS, POSITIONS, MINUTES = 200, 10, 47

#: Buys a few symbols and holds all others: what a close costs is the reading of candles.
STRATEGY = '''
"""Buys some symbols."""

from cab_core.sdk import Decision, Strategy, hookimpl, plugin


@plugin
class Some(Strategy):
    """Buys the first symbols and keeps them."""

    def warmup_bars(self):
        return 1

    @hookimpl
    def generate(self, md, ctx):
        return Decision("buy", 1.0, "some") if ctx.symbol < "C{count:03d}" else Decision("hold", 0.0, "none")
'''


def many(folder: Path) -> list[Figure]:
    """Take the figures of a paper bot on an exchange's prices; the first close warms up and is left out."""
    symbols = [f"C{number:03d}/USDT" for number in range(SYMBOLS)]
    (folder / "some.py").write_text(STRATEGY.replace("{count:03d}", f"{POSITIONS:03d}"))
    with exchange(folder, 1, "manual", symbols) as facts:
        taken = _bot(folder, facts, symbols)
    quarters = (MINUTES - 15) / 15
    note = f"{SYMBOLS} symbols, {taken['positions']} held, {taken['requests']} requests"
    return [
        Figure("many symbols, between two looks at a stop, p99", [percentile(taken["gaps"], 0.99)], "s", 7.0),
        Figure("  longest", [max(taken["gaps"])], "s", note=note),
        Figure("  from a close to the decision, p50", [percentile(taken["lags"], 0.5)], "s", 20.0),
        Figure("  p99", [percentile(taken["lags"], 0.99)], "s", 60.0, note=f"{len(taken['lags'])} decisions"),
        Figure("  CPU in 15 minutes", [taken["cpu_s"] / quarters], "s", 3.0),
        Figure("  memory", [taken["rss_mib"]], "MiB", 250.0),
    ]


def _bot(folder: Path, facts: dict[str, Any], symbols: list[str]) -> dict[str, Any]:
    (folder / "cab.toml").write_text(f'[brokers.gateio]\nbase_url = "{facts["base_url"]}"\n')
    settings = {
        "MODE": "paper",
        "EXCHANGE": "gateio",
        "SYMBOLS": ",".join(symbols),
        "STRATEGY_SET": str(folder / "some.py"),
        "DB_PATH": str(folder / "many.sqlite3"),
        "INSTANCE_LOCK_PATH": str(folder / "many.lock"),
        "MAX_POSITIONS": str(POSITIONS),
        "TREND_UNKNOWN_POLICY": "allow",
        "TREND_REQUIRE_UP": "false",
        "VOLUME_FILTER_ENABLED": "false",
        "RISK_CORR_GROUPS": "",
        "STOP_LOSS_PCT": "50",
        "TAKE_PROFIT_1_PCT": "50",
        "TAKE_PROFIT_2_PCT": "60",
        "API_TOKEN": "bench-token-83hf83hf83",
    }
    told = {
        "folder": str(folder),
        "control_url": facts["control_url"],
        "minutes": MINUTES,
        "settings": settings,
    }
    command = [sys.executable, "-m", "benchmarks.many_bot", json.dumps(told)]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True)
    taken: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return taken
