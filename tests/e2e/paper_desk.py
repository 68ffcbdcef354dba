"""``cab run`` in paper as a process, on candles that a test lays out and lengthens between two starts."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from live_bench import FIRST_MS

from cab_core.app.verify import check_database, violated
from cab_core.data.files import write_candles
from cab_core.domain.bars import Bars
from cab_core.domain.timeframes import TF_MS
from cab_core.settings import SETTINGS
from cab_core.storage import intents_open, load_positions, load_traces, visit

PROGRAM = "from cab_core.cli import main; main()"

#: Dies like by a power cut at the first order of a symbol: journalled, never answered.
DIES_AT = (
    """
import os, signal
from cab_broker_paper.broker import PaperBroker
submit = PaperBroker.submit
async def die(self, intent):
    if intent.symbol == {symbol!r}:
        os.kill(os.getpid(), signal.SIGKILL)
    return await submit(self, intent)
PaperBroker.submit = die
"""
    + PROGRAM
)

#: Every command that says whether a start would do, in one process: prints the exit code of each.
ASKED = """
import json, sys
from contextlib import redirect_stdout, redirect_stderr
from io import StringIO
from cab_core.cli import invoke
told = {}
for command in (["config", "check"], ["doctor", "--only", "database"], ["reconcile"]):
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = invoke([*command, "--json"])
    told[command[0]] = [int(code), out.getvalue() + err.getvalue()]
print(json.dumps(told))
"""


@attrs.frozen
class PaperDesk:
    """A folder with candles and one database, and the bot's environment."""

    folder: Path
    site: Path

    @property
    def database(self) -> Path:
        return self.folder / "trader.sqlite3"

    def lay_out(self, **closes: Sequence[float]) -> None:
        """Write the candles of each base in USDT: each opens at the last one's close."""
        for base, row in closes.items():
            close = np.array(row, float)
            opened = np.concatenate([close[:1], close[:-1]])
            stamps = FIRST_MS + TF_MS * np.arange(len(close))
            high, low = np.maximum(opened, close), np.minimum(opened, close)
            bars = Bars.of(stamps, opened, high, low, close, np.full(len(close), 10.0))
            write_candles(self.folder / "candles" / f"{base}-USDT_15m.csv.gz", bars)

    def tell(self, *, buys: Sequence[int] = (), sells: Sequence[int] = ()) -> None:
        """Tell the strategy on which candles to buy and to sell, whatever the symbol."""
        rows = {"buys": buys, "sells": sells}
        texts = {name: " ".join(str(FIRST_MS + n * TF_MS) for n in row) for name, row in rows.items()}
        lines = [f'{name} = "{text}"' for name, text in texts.items()]
        (self.folder / "cab.toml").write_text("\n".join(["[strategies.scripted]", *lines, ""]))

    def environment(self, **more: str) -> dict[str, str]:
        known = {row.name for row in SETTINGS}
        clean = {name: value for name, value in os.environ.items() if name.upper() not in known}
        return {
            **clean,
            "PYTHONPATH": str(self.site),
            "MODE": "paper",
            "EXCHANGE": "gateio",
            "SYMBOLS": "BTC/USDT,ETH/USDT",
            "DB_PATH": str(self.database),
            "INSTANCE_LOCK_PATH": str(self.folder / "lock"),
            "PORT": "0",
            "PLUGINS_ALLOWED": "strategy:scripted",
            "STRATEGY_SET": "scripted",
            "TREND_REQUIRE_UP": "false",
            "TREND_UNKNOWN_POLICY": "allow",
            "VOLUME_FILTER_ENABLED": "false",
            "RISK_DISABLED_RULES": "cooldown,correlation",
            "TAKE_PROFIT_1_PCT": "40",
            "TAKE_PROFIT_2_PCT": "80",
            "STOP_LOSS_PCT": "5",
            **more,
        }

    def run(
        self, *, program: str = PROGRAM, market: str | None = None, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the bot to the end of its candles."""
        where = market or f"file:{self.folder / 'candles'}"
        return self.python(program, "run", "--market", where, "--speed", "max", "--json", **settings)

    def ran(self, **settings: str) -> dict[str, Any]:
        """Run it, check that it ended well, and return what it said of itself."""
        done = self.run(**settings)
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        assert told["failures"] == {}, done.stderr
        return {**told, "log": done.stderr}

    def asked(self, **settings: str) -> dict[str, tuple[int, str]]:
        """Return exit code and output of every command that says whether a start would do."""
        done = self.python(ASKED, **settings)
        assert done.returncode == 0, done.stderr
        return {name: (code, text) for name, (code, text) in json.loads(done.stdout).items()}

    def python(self, program: str, *args: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program, *args],
            cwd=self.folder,
            env=self.environment(**settings),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def copied(self, folder: Path) -> PaperDesk:
        """Return a desk of its own that stands where this one does."""
        shutil.copytree(self.folder, folder)
        return attrs.evolve(self, folder=folder)

    # The database.

    def rows(self) -> list[str]:
        """Return everything the database holds, as text."""
        with sqlite3.connect(self.database) as conn:
            found = list(conn.iterdump())
        conn.close()
        return found

    def ask(self, question: Any) -> Any:
        return visit(self.database, question)

    @property
    def opened(self) -> Mapping[str, str]:
        """Return by symbol the id of its open position."""
        return {symbol: row["id"] for symbol, row in self.ask(load_positions).items()}

    @property
    def under_way(self) -> list[str]:
        return [found.intent.symbol for found in self.ask(intents_open)]

    def decided(self, symbol: str) -> list[str]:
        """Return the reason of each decision on a symbol, oldest first."""
        return [trace.reason for trace in self.ask(load_traces) if trace.symbol == symbol]

    def dust(self, symbol: str) -> list[dict[str, str]]:
        told = self.python(PROGRAM, "maintenance", "dust", "--json")
        return [row for row in json.loads(told.stdout)["dust"] if row["symbol"] == symbol]

    def assert_sound(self) -> None:
        broken = violated(self.ask(check_database))
        assert not broken, [(result.name, result.problems) for result in broken]
