from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cab_core.cli import invoke
from cab_core.data.files import write_candles
from cab_core.data.generator import START_MS, generate
from cab_core.storage import load_account, load_fills, visit

DAY_MS = 86_400_000
SETUP = {
    "MODE": "paper",
    "EXCHANGE": "gateio",
    "SYMBOLS": "BTC/USDT,ETH/USDT",
    "STRATEGY_SET": "ema_cross,supertrend,ema_atr",
    "TREND_UNKNOWN_POLICY": "allow",
    "TAKE_PROFIT_1_PCT": "0.8",
    "LOG_LEVEL": "WARNING",
}


pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def traded(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> dict[str, Any]:
    """Trade three days of two symbols; return what ``cab run`` said."""
    for name, value in SETUP.items():
        monkeypatch.setenv(name, value)
    for symbol in ("BTC/USDT", "ETH/USDT"):
        write_candles(folder / "market" / f"{symbol.replace('/', '-')}.csv.gz", generate(symbol, 3, 11))
    assert invoke(["run", "--market", "file:market", "--speed", "max", "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def perf(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    capsys.readouterr()
    assert invoke(["perf", "--json", *options]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_a_period_of_everything_is_what_the_account_says(
    traded: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    told = perf(capsys, "--period", "custom", "--from", "2024-01-01")
    account = visit("data/trader.sqlite3", load_account)
    fills = visit("data/trader.sqlite3", load_fills)
    assert account is not None
    assert told["realized"] == account.book["realized"]
    assert Decimal(told["equity"]) == Decimal(traded["equity"])
    assert told["fills"] == len(fills) == traded["fills"]
    assert Decimal(told["turnover"]) == sum(fill.quantity * fill.price for fill in fills)
    for currency in ("BTC", "ETH", "USDT"):
        paid = sum(fill.fee for fill in fills if fill.fee_currency == currency)
        assert Decimal(told["fees"][currency]) == paid
    assert told["round_trips"] == traded["trades"] == told["wins"] + told["losses"] > 3
    assert sum(group["count"] for group in told["by_symbol"].values()) == told["round_trips"]
    pnl = sum((Decimal(group["pnl"]) for group in told["exits_by_reason"].values()), Decimal(0))
    assert pnl == Decimal(told["realized"])
    assert told["by_strategy"].keys() <= set(SETUP["STRATEGY_SET"].split(","))
    assert told["blocked_by_reason"]["already_long"] > 0
    assert told["regime_minutes"] is None  # no source was asked
    assert Decimal(told["max_drawdown_pct"]) >= Decimal(told["current_drawdown_pct"])


@pytest.mark.usefixtures("traded")
def test_days_add_up_to_the_month(capsys: pytest.CaptureFixture[str]) -> None:
    """Now is the end of the recording: the third day is today, the second was yesterday."""
    days = [
        perf(capsys, "--period", "custom", "--from", f"2024-01-0{day}", "--to", f"2024-01-0{day}")
        for day in (1, 2, 3)
    ]
    month, week = perf(capsys, "--period", "month"), perf(capsys, "--period", "week")
    for key in ("realized", "turnover"):
        assert sum(Decimal(day[key]) for day in days) == Decimal(month[key]) == Decimal(week[key])
    for key in ("fills", "round_trips", "wins", "losses"):
        assert sum(day[key] for day in days) == month[key] == week[key]
    assert month["now_is"] == "last stored time of a recorded market"
    assert START_MS + 2 * DAY_MS < month["now_ms"] <= START_MS + 3 * DAY_MS + 300_000


@pytest.mark.usefixtures("traded")
def test_table_and_csv_show_the_same_figures(capsys: pytest.CaptureFixture[str]) -> None:
    told = perf(capsys, "--period", "month")
    assert invoke(["perf", "--period", "month", "--format", "csv"]) == 0
    rows = dict(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows["figure"] == "value"
    assert rows["realized"] == told["realized"]
    assert rows["fees.USDT"] == told["fees"]["USDT"]
    assert invoke(["perf", "--period", "month"]) == 0
    text = capsys.readouterr().out
    assert f"{Decimal(told['realized']):+,.2f}" in text
    assert "last stored time of a recorded market" in text


def test_without_a_database_nothing_runs_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["perf"]) == 5
    err = capsys.readouterr().err
    assert "cab has not run here yet" in err
    assert "fix: run: cab run" in err


@pytest.mark.usefixtures("traded")
@pytest.mark.parametrize(
    "options",
    [
        ["--period", "custom"],
        ["--period", "today", "--from", "2024-01-01"],
        ["--period", "custom", "--from", "yesterday"],
        ["--period", "custom", "--from", "2024-01-03", "--to", "2024-01-01"],
        ["--period", "year"],
    ],
)
def test_a_period_that_makes_no_sense_is_refused(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["perf", *options]) == 2
    assert "error[CAB-E200]" in capsys.readouterr().err
