"""A plugin that fails is named with message, place and count, and the result is not passed off as one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.trust.commands import HERE, cab

from cab_core.data.files import write_candles
from cab_core.data.generator import generate

BROKEN = HERE / "broken.py"


@pytest.fixture(scope="module")
def candles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("candles") / "BTC-USDT_15m.csv.gz"
    write_candles(file, generate("BTC/USDT", 30, 7))
    return file


@pytest.mark.parametrize(
    ("name", "message", "always"),
    [
        ("Raises", "KeyError: 'price'", True),
        ("Babbles", "PluginJunk: answered 'buy at ", True),
        ("Stumbles", "ValueError: a bar I cannot read", False),
    ],
)
def test_a_backtest_names_a_failing_strategy(name: str, message: str, always: bool, candles: Path) -> None:
    said = cab(
        candles.parent, "backtest", "--data", str(candles), "--strategies", f"{BROKEN}:{name}", "--json"
    )
    told = json.loads(said.out)
    (failure,) = told["plugin_failures"]
    assert said.code == 1
    assert failure["plugin"] == f"strategy:{name.lower()}"
    assert failure["message"].startswith(message)
    assert (failure["failures"] == failure["calls"] or failure["quarantined"]) is always
    if name != "Babbles":  # an answer that is none comes from no line
        assert re.search(r"broken\.py:\d+$", failure["place"])
    assert failure["message"] in told["warnings"][0]


def test_it_is_marked_in_the_summary_and_why_shows_it(candles: Path) -> None:
    command = ("backtest", "--data", str(candles), "--strategies", f"{BROKEN}:Raises", "--report", "r.html")
    said = cab(candles.parent, *command)
    assert said.code == 1
    failed = "strategy:raises failed on BTC/USDT in every call; the first time: KeyError: 'price' at "
    assert f"! do not believe this result: {failed}" in said.out
    assert "strategy:raises failed" in (candles.parent / "r.html").read_text()
    why = cab(candles.parent, "why", "--at", "2024-01-10")
    assert "error:KeyError" in why.out, why.err
    assert re.search(r"KeyError: 'price' at \S+broken\.py:\d+", why.out)


def test_a_rule_that_raises_is_named(candles: Path) -> None:
    rule = f"RISK_RULE_FILES={BROKEN}:Forbids"
    run = ("--data", str(candles), "--strategies", "ema_cross", "--set", rule)
    said = cab(candles.parent, "backtest", *run, "--json")
    told = json.loads(said.out)
    (failure,) = told["plugin_failures"]
    assert said.code == 1
    assert failure["plugin"] == "risk:forbids"
    assert failure["failures"] == failure["calls"] >= told["blocked_by_reason"]["risk_error"] > 0
    assert failure["message"].startswith("ZeroDivisionError: no equity for BTC/USDT")
    assert "broken.py:" in failure["place"]
