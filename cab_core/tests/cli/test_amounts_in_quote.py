"""Defaults meant in dollars are not taken for an account in another currency, by whatever command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cab_core.cli import invoke
from cab_core.settings import SETTINGS

Refused = Callable[..., tuple[int, str]]
Run = Callable[..., tuple[int, dict[str, Any]]]

AMOUNTS = {
    "FIXED_AMOUNT": "0.002",
    "PAPER_COST_STEP": "0.00000001",
    "PAPER_INITIAL_QUOTE": "0.1",
    "PAPER_MIN_NOTIONAL": "0.0001",
    "RISK_DAILY_LOSS_LIMIT_QUOTE": "0.05",
    "RISK_MAX_TURNOVER_5M_QUOTE": "1",
}
COMMANDS = {
    "config check": ["config", "check"],
    "reconcile": ["reconcile"],
    "run": ["run", "--market", "file:ETH-BTC.csv.gz", "--speed", "max"],
    "backtest": ["backtest", "--data", "ETH-BTC.csv.gz"],
}


@pytest.fixture
def market(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with candles of ETH/BTC and the settings of a paper account in bitcoin."""
    assert invoke(["data", "generate", "--symbol", "ETH/BTC", "--out", "ETH-BTC.csv.gz", "--days", "3"]) == 0
    for name, value in {"MODE": "paper", "EXCHANGE": "gateio", "SYMBOLS": "ETH/BTC"}.items():
        monkeypatch.setenv(name, value)
    return folder


def test_the_table_knows_which_amounts_are_in_quote() -> None:
    assert {row.name for row in SETTINGS if row.in_quote} == set(AMOUNTS)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_every_command_names_all_that_has_to_be_set(
    market: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("FIXED_AMOUNT", AMOUNTS["FIXED_AMOUNT"])
    code, text = refused(*command)
    assert code == 78
    for name in AMOUNTS:
        assert (f"set {name} in BTC" in text) == (name != "FIXED_AMOUNT"), name
    assert not (market / "data").exists()


def test_the_doctor_says_the_same_beside_other_errors(
    market: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_INTERVAL_SEC", "often")
    code, told = run("doctor", "--only", "config")
    texts = " ".join(row["detail"] for row in told["rows"])
    assert code == 1
    assert all(name in texts for name in (*AMOUNTS, "WATCHDOG_INTERVAL_SEC"))


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_what_somebody_set_stands(
    market: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], capsys: Any
) -> None:
    for name, value in AMOUNTS.items():
        monkeypatch.setenv(name, value)
    invoke(command)
    assert "meant in dollars" not in capsys.readouterr().err


@pytest.mark.parametrize("quote", ["USDT", "USDC", "USD", "usdt"])
def test_an_account_in_dollars_has_its_defaults(
    market: Path, monkeypatch: pytest.MonkeyPatch, quote: str
) -> None:
    monkeypatch.setenv("SYMBOLS", f"ETH/{quote}")
    assert invoke(["config", "check"]) == 0


def test_live_does_not_ask_for_amounts_of_the_simulated_venue(
    market: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODE", "live")
    _, text = refused("config", "check")
    assert "set FIXED_AMOUNT in BTC" in text
    assert "PAPER_" not in text
