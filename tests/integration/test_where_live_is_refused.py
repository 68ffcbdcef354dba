"""Real orders go only where it can be proven that one is absent; every command that is asked says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cab_core.cli import invoke
from cab_core.settings import SETTINGS

ANSWERS = ("config check", "doctor", "run")
#: The exchanges whose orders the unified methods of ccxt cannot follow, Gate through them included.
VENUES = ("binance", "bybit", "okx", "kraken", "kucoin", "coinbase", "gate")
REFUSAL = (
    "broker:ccxt cannot prove that an order is absent; live needs a dialect of its own (installed: gateio)"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for row in SETTINGS:
        monkeypatch.delenv(row.name, raising=False)
    for name, value in {
        "SYMBOLS": "BTC/USDT",
        "API_KEY": "kit-key-0001",
        "API_SECRET": "kit-secret-0002",
        "API_TOKEN": "a-token-that-is-long-enough-1",
        "INSTANCE_LOCK_PATH": str(tmp_path / "lock"),
        "DB_PATH": str(tmp_path / "trader.sqlite3"),
    }.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def answers(capsys: pytest.CaptureFixture[str], mode: str, exchange: str, *more: str) -> dict[str, Any]:
    """Return what each command says: its exit code and everything it printed."""
    said = {}
    settings = ["--set", f"MODE={mode}", "--set", f"EXCHANGE={exchange}"]
    for name in more or ANSWERS:
        options = ["--yes-live", "--no-api"] if name == "run" else []
        code = invoke([*name.split(), *options, *settings, "--json"])
        out, err = capsys.readouterr()
        said[name] = code, out + err
    return said


@pytest.mark.catalogue(27)
@pytest.mark.parametrize("venue", VENUES)
def test_no_command_takes_the_generic_dialect_for_live(
    folder: Path, capsys: pytest.CaptureFixture[str], venue: str
) -> None:
    (folder / "cab.toml").write_text(f'[brokers.ccxt]\nexchange_id = "{venue}"\n')
    said = answers(capsys, "live", "ccxt")
    assert {name: code for name, (code, _) in said.items()} == {"config check": 78, "doctor": 1, "run": 78}
    for name, (_, text) in said.items():
        assert REFUSAL in text, name
        assert "EXCHANGE=gateio or MODE=paper" in text, name
    assert [path.name for path in folder.iterdir()] == ["cab.toml"]  # no database, no lock, no log


def test_its_prices_still_serve_paper(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "cab.toml").write_text('[brokers.ccxt]\nexchange_id = "kraken"\n')
    said = answers(capsys, "paper", "ccxt", "config check", "doctor")
    assert said["config check"][0] == 0
    rows = {row["check"]: row["status"] for row in json.loads(said["doctor"][1])["rows"]}
    assert rows["start"] == "ok"


def test_the_dialect_of_gate_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    said = answers(capsys, "live", "gateio", "config check", "doctor")
    assert said["config check"][0] == 0
    rows = {row["check"]: row["status"] for row in json.loads(said["doctor"][1])["rows"]}
    assert rows["start"] == "ok"


@pytest.mark.parametrize("mode", ["paper", "live"])
@pytest.mark.parametrize(
    ("exchange", "what", "fix"),
    [
        ("binance", "'binance' is not installed", "installed: ccxt, gateio, paper"),
        ("gateoi", "'gateoi' is not installed", "did you mean gateio?"),
        ("paper", "the paper broker has no prices", "choose a market"),
    ],
)
def test_an_exchange_that_cannot_be_used_is_refused_alike(
    capsys: pytest.CaptureFixture[str], mode: str, exchange: str, what: str, fix: str
) -> None:
    for name, (code, text) in answers(capsys, mode, exchange).items():
        assert code == (1 if name == "doctor" else 78), name
        assert what in text, name
        assert fix in text, name


def test_options_of_the_exchange_are_judged_alike(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "cab.toml").write_text('[brokers.ccxt]\nexchange_id = "krakne"\n')
    for name, (code, text) in answers(capsys, "paper", "ccxt").items():
        assert code == (1 if name == "doctor" else 78), name
        assert "ccxt knows no exchange 'krakne'" in text, name


def test_missing_credentials_are_told_by_the_doctor_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("API_KEY")
    for name, (code, text) in answers(capsys, "live", "gateio").items():
        assert code == (1 if name == "doctor" else 78), name
        assert "API_KEY" in text, name
        assert "is required in live" in text, name


def test_a_recorded_market_needs_a_real_exchange_name_too(capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["--set", "MODE=paper", "--set", "EXCHANGE=binance"]
    assert invoke(["run", "--market", "sample", "--speed", "max", *settings]) == 78
    assert "'binance' is not installed" in capsys.readouterr().err
