"""What ``cab why`` tells of a paper run's database is what it tells of the same backtest."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cab_core.app.config import cycle_config, plugins_for
from cab_core.app.paper import PaperSetup
from cab_core.bus.memory import MemoryBus
from cab_core.cli import invoke
from cab_core.cli.chain import lines
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
#: What differs between two shells: where it was read, and ids.
#: Every so many candles are asked about.
STEP = 7
OWN = frozenset({"source", "run_id", "trace_id"})
_IDS = re.compile(r"\b(?:[0-9a-f]{16}|t-\w+-\d+)\b|backtest \w+|recorded run")

Cab = Callable[..., Any]


@pytest.fixture
def cab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cab:
    monkeypatch.chdir(tmp_path)
    for row in SETTINGS:
        monkeypatch.delenv(row.name, raising=False)

    def call(*args: str) -> dict[str, Any]:
        capsys.readouterr()
        assert invoke([*args, "--json"]) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

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
    elsewhere = ("--set", "DB_PATH=other/none.sqlite3")
    chosen = Counter()
    for candle_ms in read_market(candles).bars.ts_ms.tolist()[::STEP]:
        at = ("--at", str(candle_ms + 1))
        replayed, recorded = cab("why", *at, *elsewhere), cab("why", *at)
        assert (recorded["source"], replayed["source"]) == ("database", "backtest")
        assert facts(recorded) == facts(replayed)
        assert text(recorded) == text(replayed)
        chosen[
            recorded["reason"] if recorded["position"] is None else f"{recorded['action']} in a position"
        ] += 1
        assert cab("why", recorded["trace_id"]) == recorded
    held = {f"{action} in a position" for action in ("buy", "hold", "sell")}
    assert chosen.keys() >= held | {"against_trend"}, chosen
    (stands,), stood = cab("why"), cab("why", *elsewhere)
    assert [{**stands, "trace_id": ""}] == [{**each, "trace_id": ""} for each in stood]
    newest = cab("why", "--last")
    assert text(newest) == text(cab("why", "--last", *elsewhere))
    assert "closed with" in "".join(text(newest)) or "not sold yet" in "".join(text(newest))


def facts(told: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in told.items()
        if key not in OWN | {"orders", "position", "order", "alarms"}
    }


def text(told: dict[str, Any]) -> list[str]:
    """Return what a person reads, without ids."""
    return [_IDS.sub("ID", line) for line in lines(told)]
