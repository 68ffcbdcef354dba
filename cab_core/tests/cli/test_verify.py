from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from cab_core.cli import invoke
from cab_core.data.files import write_candles
from cab_core.data.generator import generate
from cab_core.storage import Store

SETUP = {
    "MODE": "paper",
    "EXCHANGE": "gateio",
    "SYMBOLS": "BTC/USDT",
    "STRATEGY_SET": "ema_cross,supertrend,ema_atr",
    "TREND_UNKNOWN_POLICY": "allow",
    "VOLUME_FILTER_ENABLED": "false",
    "TAKE_PROFIT_1_PCT": "0.8",
    "LOG_LEVEL": "WARNING",
    "DB_PATH": "bot.sqlite3",
}


@pytest.fixture
def database(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """The database of a paper run with trades."""
    for name, value in SETUP.items():
        monkeypatch.setenv(name, value)
    write_candles(folder / "market" / "BTC-USDT.csv.gz", generate("BTC/USDT", 3, 11))
    assert invoke(["run", "--market", "file:market", "--speed", "max", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fills"] > 0
    return folder / "bot.sqlite3"


def verify(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    code = invoke(["verify", "--json", *options])
    return code, json.loads(capsys.readouterr().out)


def bend(database: Path, statement: str) -> None:
    with sqlite3.connect(database) as raw:
        raw.execute(statement)
    raw.close()


def test_a_sound_database_passes(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = verify(capsys)
    assert (code, told["ok"], told["violated"]) == (0, True, [])
    assert [i["name"] for i in told["invariants"]] == [f"I{n}" for n in range(1, 27)]
    assert invoke(["verify"]) == 0
    out = capsys.readouterr().out
    assert "I13" in out
    assert out.splitlines()[-1].endswith("invariants hold")


def test_a_violation_is_named_and_exits_1(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bend(database, "UPDATE account SET quote_free = '1'")
    code, told = verify(capsys)
    assert (code, told["violated"]) == (1, ["I13"])
    assert invoke(["verify"]) == 1
    out = capsys.readouterr().out
    assert "I13: quote_free of the account is 1" in out
    assert out.splitlines()[-1] == "I13 violated"


def test_it_works_beside_a_running_instance_and_changes_nothing(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = asyncio.run(Store.open(database))
    try:
        before = database.read_bytes()
        assert verify(capsys)[0] == 0
        assert database.read_bytes() == before
    finally:
        asyncio.run(store.close())


def test_a_ledger_that_tells_otherwise_is_a_violation(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ledger.json").write_text("[]")
    code, told = verify(capsys, "--ledger", "ledger.json")
    assert code == 1
    assert {"I3", "I7"} <= set(told["violated"])


@pytest.mark.parametrize("text", ["{", '"text"', '[{"kind": "fill"}]'])
def test_a_file_that_is_no_ledger_is_refused(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (tmp_path / "ledger.json").write_text(text)
    assert invoke(["verify", "--ledger", "ledger.json"]) == 2
    assert "ledger.json" in capsys.readouterr().err


def test_without_a_database_it_says_what_to_do(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["verify", "--set", "DB_PATH=none.sqlite3"]) == 4
    assert "cab run" in capsys.readouterr().err


def test_paper_has_no_exchange_to_ask(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["verify", "--exchange"]) == 2
    assert "MODE=live" in capsys.readouterr().err
