"""A bot with years behind it: what a cycle takes on disk, and what the past costs in memory."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs

from benchmarks.api import Client, trading
from benchmarks.measure import Figure, run_process
from benchmarks.processes import CAB, paper, rss_mib
from cab_core.app.market_choice import SAMPLE_HISTORY_DAYS
from cab_core.data.files import write_candles
from cab_core.data.generator import START_MS, generate
from cab_core.domain.timeframes import DAY_MS, TF_MS
from cab_core.storage import Connection, JournalRow, Store, open_sync, schema
from cab_core.storage.journal import GENESIS
from cab_core.storage.types import canonical

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")

#: Evaluated candles of the past: nearly three years of three symbols.
CYCLES = 300_000

#: Days that are traded to see what a cycle takes.
DAYS = 14

#: What is asked of a bot, each about all of its past.
_QUESTIONS = ("trades?limit=500", "decisions?limit=500", "equity", "pnl?period=month", "orders")

#: Seconds within which each question must have an answer.
_PATIENCE_S = 120.0


def keep(folder: Path) -> list[Figure]:
    """Take all figures of growth and of a long past."""
    for name in ("growth", "past"):
        (folder / name).mkdir(parents=True)
    return [*_growth(folder / "growth"), *_long_past(folder / "past")]


def _growth(folder: Path) -> Iterator[Figure]:
    """Trade for two weeks with nine strategies; measure the file, then let the details of holds go."""
    settings, markets = paper(folder), []
    for number, symbol in enumerate(SYMBOLS):
        path = folder / f"{symbol.replace('/', '-')}_15m.csv.gz"
        write_candles(path, generate(symbol, DAYS, 40 + number))
        markets += ["--market", f"file:{path}"]
    run_process([CAB, "run", *markets, "--speed", "max", "--json"], folder, settings)
    yield Figure("a cycle of nine strategies with its details", [_bytes_a_cycle(folder, settings)], "bytes")
    run_process([CAB, "maintenance", "prune", "--set", "TRACE_KEEP_DAYS=1"], folder, settings)
    yield Figure("  once nearly all are old", [_bytes_a_cycle(folder, settings)], "bytes", 700)


def _bytes_a_cycle(folder: Path, settings: dict[str, str]) -> float:
    told = json.loads(run_process([CAB, "doctor", "--only", "growth", "--json"], folder, settings).output)
    detail: str = told["rows"][0]["detail"]
    return float(detail.partition(" bytes each")[0].rpartition(" ")[2])


def _long_past(folder: Path) -> Iterator[Figure]:
    """Let a bot trade after a long past and ask it, then ask commands about all of it."""
    database = folder / "long.sqlite3"
    asyncio.run(lengthen(database, CYCLES))
    with trading(folder / "bot", "--api", DB_PATH=str(database)) as (bot, endpoint):
        client = Client(endpoint)
        for question in _QUESTIONS:
            _asked(client, f"/api/v1/{question}")
        yield Figure(f"a bot with {CYCLES:,} cycles behind it: memory", [rss_mib(bot.pid)], "MiB", 180)
    settings = {**paper(folder), "DB_PATH": str(database)}
    for target, command in ((300, "verify"), (150, "perf"), (150, "show trades")):
        used = run_process([CAB, *command.split(), "--json"], folder, settings)
        yield Figure(f"  cab {command}", [used.cpu_s], "CPU s")
        yield Figure("    memory", [used.rss_mib], "MiB", target)
    yield Figure("  its database", [database.stat().st_size / (1 << 20)], "MiB")


def _asked(client: Client, path: str) -> None:
    """Ask until there is an answer: the first look at the past may take longer than a request may."""
    until_s = time.perf_counter() + _PATIENCE_S
    while time.perf_counter() < until_s:
        with suppress(RuntimeError):
            client.ask(path, time.perf_counter() + 0.1)
            return
        time.sleep(1)
    raise RuntimeError(f"{path} has no answer")


async def lengthen(database: Path, cycles: int) -> None:
    """Write a past of holds into a new database, up to where trading on the sample market begins.

    Each cycle has the copies of account and position beside it that earlier versions journalled: the past of
    such a version is the longest there is.
    """
    await (await Store.open(database)).close()
    with open_sync(database, read_only=False) as conn:
        _write(conn, cycles)


def _write(conn: Connection, cycles: int) -> None:
    candles = cycles // len(SYMBOLS)
    first_ms = START_MS + SAMPLE_HISTORY_DAYS * DAY_MS - candles * TF_MS
    chain = _Chain()
    tables: dict[Any, list[dict[str, Any]]] = {
        schema.journal: [],
        schema.decision_trace: [],
        schema.equity: [],
    }
    for number in range(candles):
        open_ms = first_ms + number * TF_MS
        now_ms = open_ms + TF_MS + 3000
        money = {"equity": "10000", "peak": "10000", "drawdown_pct": "0"}
        for place, symbol in enumerate(SYMBOLS):
            trace_id = f"{place:04x}{number:012x}"
            outcome = {"candle_ts_ms": open_ms, "close": "42.5", "action": "hold", "reason": "no_votes"}
            tables[schema.decision_trace].append({**outcome, "trace_id": trace_id, "symbol": symbol})
            account = {"baseline": "10000", "peak": "10000", "quote_free": "10000", "updated_ms": now_ms}
            for kind, ref, facts in (
                ("cycle", symbol, {**outcome, "order_key": None}),
                ("position", symbol, {"state": None}),
                ("account", "", {**account, "peak_since_ms": first_ms}),
            ):
                tables[schema.journal].append(chain.row(now_ms, trace_id, kind, ref, facts))
        tables[schema.equity].append({"ts_ms": now_ms, **money})
        if number % 1000 == 999 or number == candles - 1:
            for table, rows in tables.items():
                conn.exec_driver_sql(*_insert(table, rows))
                rows.clear()


def _insert(table: Any, rows: list[dict[str, Any]]) -> tuple[str, list[tuple[Any, ...]]]:
    """Return one statement for many rows, as they are stored."""
    names = [*rows[0]]
    marks = ", ".join("?" for _ in names)
    text = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})"
    return text, [tuple(row.values()) for row in rows]


@attrs.define
class _Chain:
    """Seals rows one after the other, as the journal does."""

    seq: int = 0
    hash: str = GENESIS

    def row(self, ts_ms: int, trace_id: str, kind: str, ref: str, facts: dict[str, Any]) -> dict[str, Any]:
        """Return the next row as it is stored."""
        row = JournalRow(self.seq + 1, ts_ms, 1, trace_id, kind, ref, canonical(facts), self.hash, "")
        self.seq, self.hash = row.seq, row.seal()
        return {**attrs.asdict(row), "hash": self.hash}
