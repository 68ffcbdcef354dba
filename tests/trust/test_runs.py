"""A run on recorded candles names what its strategies do wrong, and does not end as if all were well."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.trust.commands import HERE, Said, cab

from cab_core.data.files import write_candles
from cab_core.data.generator import generate

CASES = {
    "cheats.py:Shifts": "look_ahead: shifts, BTC/USDT 20",
    "cheats.py:Counts": "keeps_state: counts, BTC/USDT 20",
    "broken.py:Raises": "strategy:raises failed on BTC/USDT in every call; the first time: KeyError",
    "broken.py:Babbles": "strategy:babbles failed on BTC/USDT in ",
}


def run(folder: Path, strategy: str, *more: str) -> Said:
    """Play eight days as fast as possible."""
    file = folder / "BTC-USDT_15m.csv.gz"
    write_candles(file, generate("BTC/USDT", 8, 7))
    given = ("SYMBOLS=BTC/USDT", "MODE=paper", "EXCHANGE=paper", f"STRATEGY_SET={strategy}", "DB_PATH=bot.db")
    settings = [word for each in given for word in ("--set", each)]
    return cab(folder, "run", "--market", f"file:{file}", "--speed", "max", "--no-api", *settings, *more)


@pytest.mark.parametrize(("strategy", "words"), CASES.items())
def test_a_run_names_it_and_ends_with_1(strategy: str, words: str, tmp_path: Path) -> None:
    said = run(tmp_path, str(HERE / strategy), "--json")
    told = json.loads(said.out)
    assert (said.code, told["ended"]) == (1, "end")
    assert any(alarm.startswith(words) for alarm in told["alarms"]), told["alarms"]
    assert words in said.err  # the log has it as it happens


def test_an_honest_run_ends_well(tmp_path: Path) -> None:
    said = run(tmp_path, str(HERE / "cheats.py:Honest"), "--json")
    assert (said.code, json.loads(said.out)["alarms"]) == (0, [])


def test_it_is_alerted_and_why_shows_it(tmp_path: Path) -> None:
    said = run(tmp_path, str(HERE / "broken.py:Raises"))
    assert said.code == 1
    assert "! do not believe this result: strategy:raises failed" in said.out
    assert "plugin_failed" in said.err
    why = cab(tmp_path, "why", "--at", "2024-01-05", "--set", "DB_PATH=bot.db")
    assert "KeyError: 'price' at " in why.out, why.err
