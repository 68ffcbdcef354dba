"""What ``cab why`` tells of a paper run's database is what it tells of the same backtest."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cab_core.app.config import cycle_config, plugins_for
from cab_core.app.paper import PaperSetup
from cab_core.bus.memory import MemoryBus
from cab_core.cli import invoke
from cab_core.data.files import read_market
from cab_core.domain.candles import prepare
from cab_core.plugins.kinds import Kind
from cab_core.settings import SETTINGS, load_settings
from cab_core.storage import PaperState, Store
from cab_core.storage.records import Records

OPTIONS = (
    "STRATEGY_SET=ema_atr,supertrend,donchian_breakout",
    "STRATEGY_MODE=vote",
    "TREND_UNKNOWN_POLICY=allow",
    "STOP_LOSS_PCT=1.2",
    "TAKE_PROFIT_1_PCT=0.8",
    "TAKE_PROFIT_2_PCT=1.5",
)
#: What only one shell knows: ids, the candle's other prices, and what a position came to.
OWN = frozenset({"source", "run_id", "trace_id", "candle", "position", "orders", "held_before"})

Cab = Callable[..., dict[str, Any]]


@pytest.fixture
def cab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cab:
    monkeypatch.chdir(tmp_path)
    for row in SETTINGS:
        monkeypatch.delenv(row.name, raising=False)

    def call(*args: str) -> dict[str, Any]:
        capsys.readouterr()
        assert invoke([*args, "--json"]) == 0, capsys.readouterr().err
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return document

    return call


async def paper_run(candles: Path, database: Path) -> None:
    """Trade a recording in paper and keep everything in a database."""
    settings = load_settings({}, Path("/nonexistent"), OPTIONS, require_run=False).settings
    plugins = plugins_for(settings, {Kind.BROKER: ["paper"]})
    series = {"BTC/USDT": prepare(read_market(candles).bars)}
    store, bus = await Store.open(database), MemoryBus()
    try:
        setup = PaperSetup(
            config=cycle_config(settings, [b.name for b in plugins.strategies], list(series)),
            plugins=plugins,
            series=series,
            storage=Records(store, "paper"),
            bus=bus,
            state=PaperState(store),
        )
        session = await setup.open()
        await session.orchestrator.run()
    finally:
        await bus.close()
        await store.close()


async def test_both_shells_tell_the_same(tmp_path: Path, cab: Cab) -> None:
    candles = tmp_path / "BTC-USDT.csv.gz"
    cab("data", "generate", "--out", str(candles), "--days", "12", "--seed", "8")
    await paper_run(candles, tmp_path / "data" / "trader.sqlite3")
    settings = [part for option in OPTIONS for part in ("--set", option)]
    told = cab("backtest", "--data", str(candles), *settings, "--set", "DB_PATH=other/none.sqlite3")
    assert told["trades"] > 3
    for trade in told["last_trades"]:
        replayed = cab("why", trade["trace_id"], "--set", "DB_PATH=other/none.sqlite3")
        recorded = cab("why", "--at", str(replayed["candle_ts_ms"] + 1))
        assert (recorded["source"], replayed["source"]) == ("database", "backtest")
        assert {k: v for k, v in recorded.items() if k not in OWN} == {
            k: v for k, v in replayed.items() if k not in OWN
        }
        assert recorded["held_before"] is replayed["held_before"] is False
        compare_orders(recorded, replayed)
        compare_positions(recorded["position"], replayed["position"])
        assert cab("why", recorded["trace_id"]) == recorded
    newest = cab("why", "--last")
    assert newest["order"] == cab("why", "--last", "--set", "DB_PATH=other/none.sqlite3")["order"]


def compare_orders(recorded: dict[str, Any], replayed: dict[str, Any]) -> None:
    for own, other in zip(recorded["orders"], replayed["orders"], strict=True):
        assert own["state"] == "done"
        assert {key: own[key] for key in other} == other


def compare_positions(recorded: dict[str, Any], replayed: dict[str, Any]) -> None:
    for name in ("symbol", "opened_ms", "entry_reason", "votes"):
        assert recorded[name] == replayed[name]
    for name in ("entry_price", "quantity"):
        assert Decimal(recorded[name]) == Decimal(replayed[name])
    levels = {name: Decimal(price) for name, price in recorded["levels"].items()}
    assert levels == {name: Decimal(price) for name, price in replayed["levels"].items()}
    assert [(sale["ts_ms"], sale["reason"]) for sale in recorded["exits"]] == [
        (sale["ts_ms"], sale["reason"]) for sale in replayed["exits"]
    ]
