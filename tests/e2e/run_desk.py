"""A folder with candles, and ``cab run`` on them as a process, on either engine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import attrs
import sqlalchemy as sa
from database_servers import SHARED, ask_server

from cab_core.app.history import rebuild
from cab_core.app.research import Plan, prepare_run
from cab_core.cycle.backtest import Finished
from cab_core.cycle.results import Decided, hash_decisions
from cab_core.data.files import write_candles
from cab_core.data.generator import generate
from cab_core.data.symbols import NamedFile
from cab_core.domain.market import Instrument
from cab_core.domain.orders import OrderState, Purpose
from cab_core.settings import SETTINGS, Settings, load_settings
from cab_core.storage import (
    NoDatabaseError,
    intents_open,
    intents_since,
    load_fills,
    load_traces,
    verify_journal,
    visit,
)

SYMBOLS = ("BTC/USDT", "ETH/USDT")
DECIDING = {
    "STRATEGY_SET": "ema_atr,ema_cross,donchian_breakout,supertrend",
    "STRATEGY_MODE": "vote",
    "TREND_UNKNOWN_POLICY": "allow",
    "STOP_LOSS_PCT": "1.2",
    "TAKE_PROFIT_1_PCT": "0.8",
    "TAKE_PROFIT_2_PCT": "1.5",
    "TRAILING_STOP_PCT": "0.5",
}
_PROGRAM = "from cab_core.cli import main; main()"
_ORDERED = {"buy": 1, "sell": -1, "hold": 0}


@attrs.frozen
class Desk:
    """A folder with candles, and the bot's environment.

    Attributes:
        url: of another database, such as one on a server; empty for a SQLite file of the folder.
    """

    folder: Path
    symbols: tuple[str, ...]
    url: str = ""

    @property
    def database(self) -> Path:
        return self.folder / "db" / "trader.sqlite3"

    @property
    def candles(self) -> Path:
        return self.folder / "candles"

    def environment(self, **more: str) -> dict[str, str]:
        known = {row.name for row in SETTINGS}
        on_server = "://" in self.url
        clean = {name: value for name, value in os.environ.items() if name.upper() not in known}
        return {
            **clean,
            **DECIDING,
            "MODE": "paper",
            "EXCHANGE": "gateio",
            "SYMBOLS": ",".join(self.symbols),
            "DATABASE_URL" if on_server else "DB_PATH": self.url or str(self.database),
            "INSTANCE_LOCK_PATH": str(self.folder / "lock"),
            "PORT": "0",
            **more,
        }

    def start(self, *options: str, speed: str = "max", **more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", _PROGRAM, "run", "--market", f"file:{self.candles}"]
        return subprocess.Popen(
            [*command, "--speed", speed, "--json", *options],
            cwd=self.folder,
            env=self.environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self) -> dict[str, Any]:
        """Run to the end of the candles."""
        out, err = (process := self.start()).communicate(timeout=120)
        assert process.returncode == 0, err
        told: dict[str, Any] = json.loads(out)
        assert told["failures"] == {}
        return told

    def evaluated(self) -> int:
        """Return how many candles are on record."""
        try:
            counted = self.ask(lambda c: c.exec_driver_sql("SELECT count(*) FROM decision_trace").scalar())
            return int(counted)
        except NoDatabaseError:
            return 0

    def keep(self) -> None:
        """Keep the database as it is between two runs."""
        if self.url:
            name = sa.make_url(self.url).database
            drop = f"DROP DATABASE IF EXISTS {name}_kept"
            ask_server(SHARED, drop, f"CREATE DATABASE {name}_kept TEMPLATE {name}")
            return
        shutil.rmtree(self._kept, ignore_errors=True)
        if self.database.exists():
            shutil.copytree(self.database.parent, self._kept)

    def take_back(self) -> None:
        """Make the database what was kept."""
        if self.url:
            name = sa.make_url(self.url).database
            drop = f"DROP DATABASE {name} WITH (FORCE)"
            ask_server(SHARED, drop, f"CREATE DATABASE {name} TEMPLATE {name}_kept")
            return
        shutil.rmtree(self.database.parent)
        if self._kept.exists():
            shutil.copytree(self._kept, self.database.parent)

    @property
    def _kept(self) -> Path:
        return self.folder / "kept"

    def ask(self, question: Any) -> Any:
        return visit(self.url or self.database, question)

    def replay(self) -> tuple[Finished, Settings]:
        settings = load_settings(
            {}, self.folder, [f"{k}={v}" for k, v in DECIDING.items()], require_run=False
        )
        files = tuple(
            NamedFile(self.candles / f"{symbol.replace('/', '-')}.csv.gz") for symbol in self.symbols
        )
        prepared = prepare_run(Plan(data=files), settings.settings)
        return prepared.run()[0], settings.settings


def desk_of(folder: Path, symbols: tuple[str, ...] = SYMBOLS, days: int = 5, url: str = "") -> Desk:
    desk = Desk(folder, symbols, url)
    for symbol in symbols:
        write_candles(desk.candles / f"{symbol.replace('/', '-')}.csv.gz", generate(symbol, days, 11))
    return desk


def decisions_sha256(desk: Desk) -> str:
    digest = hashlib.sha256()
    traces = desk.ask(load_traces)
    for symbol in desk.symbols:
        cycles = [
            Decided(t.candle_ts_ms, _ORDERED[t.action], t.payload["aggregate"]["confidence"], t.reason)
            for t in traces
            if t.symbol == symbol
        ]
        digest.update(hash_decisions(symbol, cycles))
    return digest.hexdigest()


def assert_as_if_never_interrupted(desk: Desk) -> None:
    """Compare what the database holds with a replay of the same candles.

    Ids of attempts are left out: an exit that was cut off between its intent and the venue's answer is sent
    again as its next attempt, so its client id and the trade id differ. Everything else is equal.
    """
    finished, settings = desk.replay()
    assert decisions_sha256(desk) == finished.result.decisions_sha256
    stored = sorted(desk.ask(load_fills), key=lambda f: (f.ts_ms, f.symbol, f.price))
    expected = [fill for order in finished.result.orders for fill in order.fills]
    facts = [(f.ts_ms, f.symbol, f.side, f.quantity, f.price, f.fee, f.fee_currency) for f in stored]
    wanted = sorted(expected, key=lambda f: (f.ts_ms, f.symbol, f.price))
    assert facts == [(f.ts_ms, f.symbol, f.side, f.quantity, f.price, f.fee, f.fee_currency) for f in wanted]
    done = [i.intent for i in desk.ask(lambda conn: intents_since(conn, 0)) if i.state is OrderState.DONE]
    orders = [order.intent for order in finished.result.orders if order.fills]
    assert sorted((i.key, i.purpose, i.reason, i.cost, i.quantity) for i in done) == sorted(
        (i.key, i.purpose, i.reason, i.cost, i.quantity) for i in orders
    )
    template = Instrument("A/B", settings.paper_amount_step, min_notional=settings.paper_min_notional)
    book, _ = desk.ask(lambda conn: rebuild(conn, template))
    replayed = finished.trader.book
    assert book.realized == replayed.realized
    assert book.quote_free == replayed.quote_free
    assert [trade.pnl for trade in book.trades] == [trade.pnl for trade in replayed.trades]
    assert book.peak == replayed.peak
    assert desk.ask(verify_journal) == []


def cut_off_entry(desk: Desk) -> bool:
    """Say whether an entry was cut off between its intent and the venue's answer.

    By design such an entry is given up (spec 10): its price is gone. So a kill there does change decisions.
    """
    opened = desk.ask(intents_open)
    return any(stored.intent.purpose is Purpose.ENTRY for stored in opened)


def wait_for(desk: Desk, count: int, process: subprocess.Popen[str]) -> None:
    while process.poll() is None and desk.evaluated() < count:
        time.sleep(0.05)
