"""Candle files are named alike in every command: by SYMBOL=FILE, by --symbol, by their own names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cab_core.cli import invoke

pytestmark = pytest.mark.usefixtures("folder")

SETTINGS = ("MODE=paper", "EXCHANGE=gateio", "SYMBOLS=SOL/USDT", "API_ENABLED=false")
RUN = tuple(part for setting in SETTINGS for part in ("--set", setting))

#: The ways to say that the candles are of SOL/USDT, by command.
WAYS = {
    "backtest by prefix": ("backtest", "-q", "--json", "--data", "SOL/USDT=candles.csv"),
    "backtest by option": ("backtest", "-q", "--json", "--data", "candles.csv", "--symbol", "sol/usdt"),
    "backtest by the plural": ("backtest", "-q", "--json", "--data", "candles.csv", "--symbols", "SOL/USDT"),
    "signals by prefix": ("signals", "--json", "--data", "SOL/USDT=candles.csv"),
    "signals by option": ("signals", "--json", "--data", "candles.csv", "--symbol", "SOL/USDT"),
    "run by prefix": ("run", "--json", "--speed", "max", "--market", "file:SOL/USDT=candles.csv", *RUN),
}


@pytest.fixture(autouse=True)
def candles(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["data", "generate", "--out", "candles.csv", "--days", "12"]) == 0
    shutil.copy("candles.csv", "more.csv")
    capsys.readouterr()


@pytest.mark.parametrize("way", WAYS)
def test_every_way_names_the_symbol(way: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(list(WAYS[way])) == 0
    assert "SOL/USDT" in capsys.readouterr().out


def test_a_repeated_symbol_and_a_list_follow_the_files(
    capsys: pytest.CaptureFixture[str],
) -> None:
    two = ["backtest", "-q", "--json", "--data", "candles.csv", "more.csv"]
    for options in (["--symbol", "SOL/USDT", "--symbol", "ADA/USDT"], ["--symbol", "SOL/USDT,ADA/USDT"]):
        assert invoke([*two, *options]) == 0
        files = json.loads(capsys.readouterr().out)["data"]
        assert [(f["symbol"], f["file"]) for f in files] == [
            ("SOL/USDT", "candles.csv"),
            ("ADA/USDT", "more.csv"),
        ]
    mixed = ["backtest", "-q", "--json", "--data", "ADA/USDT=more.csv", "candles.csv", "--symbol", "SOL/USDT"]
    assert invoke(mixed) == 0
    assert [f["symbol"] for f in json.loads(capsys.readouterr().out)["data"]] == ["ADA/USDT", "SOL/USDT"]


REFUSED = {
    "no symbol": (["--data", "candles.csv"], "--data BTC/USDT=candles.csv"),
    "too many": (["--data", "SOL/USDT=candles.csv", "--symbol", "SOL/USDT"], "1 symbol for 0 files"),
    "no file": (["--data", "SOL/USDT="], "names no file"),
    "no such file": (["--data", "SOL/USDT=gone.csv"], "no such file"),
    "no pair": (["--data", "candles.csv", "--symbol", "SOL"], "BASE/QUOTE"),
}


@pytest.mark.parametrize("command", [["backtest"], ["signals"], ["rehearse"], ["exchange", "serve"]])
@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_name_one_is_refused_alike(
    command: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    args, said = REFUSED[what]
    assert invoke([*command, *args]) in {2, 4}
    assert said in capsys.readouterr().err
