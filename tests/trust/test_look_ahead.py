"""Strategies that know the future, keep state or hang on their window's length are named by a backtest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.trust.commands import HERE, Said, cab

from cab_core.data.files import write_candles
from cab_core.data.generator import generate

CHEATS = {
    "Shifts": "look_ahead",
    "Scales": "look_ahead",
    "Slopes": "look_ahead",
    "Centres": "look_ahead",
    "PeeksOnce": "look_ahead",
    "Measures": "look_ahead",
    "Counts": "keeps_state",
    "FitsOnce": "keeps_state",
    "Remembers": "keeps_state",
    "Sums": "window_length",
}
NINE = (
    "ema_atr,ema_cross,rsi_momentum,bollinger_bands,donchian_breakout,"
    "supertrend,stochastic_adx,keltner_squeeze,vwap_reversion"
)
EXAMPLE = HERE.parents[1] / "examples/third_party_strategy/src/cab_strategy_vol_momentum/__init__.py"


@pytest.fixture(scope="module")
def candles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("candles") / "BTC-USDT_15m.csv.gz"
    write_candles(file, generate("BTC/USDT", 150, 7))
    return file


def backtest(candles: Path, strategies: str, *more: str) -> Said:
    return cab(candles.parent, "backtest", "--data", str(candles), "--strategies", strategies, *more)


@pytest.mark.parametrize(("cheat", "fault"), CHEATS.items())
def test_a_cheat_is_named_with_bar_and_values(cheat: str, fault: str, candles: Path) -> None:
    said = backtest(candles, f"{HERE / 'cheats.py'}:{cheat}", "--json")
    told = json.loads(said.out)
    (doubt,) = told["doubts"]
    assert (said.code, doubt["fault"]) == (1, fault)
    assert told["warnings"][0].startswith(f"{fault}: {doubt['strategy']}, BTC/USDT 20")
    assert doubt["used"] != doubt["alone"]
    assert 0 < doubt["found"] <= doubt["asked"]


def test_it_is_marked_in_summary_and_report(candles: Path) -> None:
    said = backtest(candles, f"{HERE / 'cheats.py'}:Shifts", "--report", "shifts.html")
    assert said.code == 1
    assert "! do not believe this result: look_ahead: shifts, BTC/USDT" in said.out
    report = (candles.parent / "shifts.html").read_text()
    assert 'role="alert"' in report
    assert "look_ahead: shifts" in report


@pytest.mark.parametrize("strategies", [NINE, str(EXAMPLE), f"{HERE / 'cheats.py'}:Honest"])
def test_nobody_honest_is_accused(strategies: str, candles: Path) -> None:
    said = backtest(candles, strategies, "--mode", "vote", "--json")
    assert (said.code, json.loads(said.out)["doubts"]) == (0, []), said.err


def test_the_sample_is_the_same_each_time(candles: Path) -> None:
    cheat = f"{HERE / 'cheats.py'}:PeeksOnce"
    first, again = (json.loads(backtest(candles, cheat, "--json").out) for _ in range(2))
    assert first["doubts"] == again["doubts"]
