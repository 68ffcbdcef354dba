"""``cab maintenance dust``: what sales left over, seen and given up."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cab_core.cli import invoke
from cab_core.data.files import write_candles
from cab_core.data.generator import generate
from cab_core.safety.instance_lock import instance_lock
from cab_core.storage import load_account, load_audit, visit

#: Coarse amounts, so that every sale leaves something over.
SETUP = {
    "MODE": "paper",
    "EXCHANGE": "gateio",
    "SYMBOLS": "BTC/USDT,ETH/USDT",
    "STRATEGY_SET": "ema_cross,supertrend,ema_atr",
    "TREND_UNKNOWN_POLICY": "allow",
    "VOLUME_FILTER_ENABLED": "false",
    "RISK_LOSS_STREAK_COUNT": "50",
    "PAPER_AMOUNT_STEP": "0.0001",
    "LOG_LEVEL": "WARNING",
    "DB_PATH": "bot.sqlite3",
}

Cab = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def cab(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cab:
    """Run a command in a folder of its own; return its exit code and document."""
    for name, value in SETUP.items():
        monkeypatch.setenv(name, value)

    def call(*args: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = invoke([*args, "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out or err)

    return call


def trade(cab: Cab, days: int) -> None:
    for symbol in ("BTC/USDT", "ETH/USDT"):
        write_candles(Path("market") / f"{symbol.replace('/', '-')}.csv.gz", generate(symbol, days, 11))
    code, told = cab("run", "--market", "file:market", "--speed", "max")
    assert (code, told["positions"]) == (0, {})


def account(field: str) -> Any:
    row = visit("bot.sqlite3", load_account)
    assert row is not None
    return row.book[field]


def test_dust_is_written_off_once_and_everything_still_adds_up(cab: Cab) -> None:
    trade(cab, 3)
    code, seen = cab("maintenance", "dust")
    assert (code, seen["written_off"]) == (0, False)
    costs = {each["symbol"]: Decimal(each["cost"]) for each in seen["dust"]}
    assert set(costs) == {"BTC/USDT", "ETH/USDT"}
    assert all(cost > 0 for cost in costs.values())
    realized = Decimal(account("realized"))

    assert cab("maintenance", "dust", "--write-off", "--yes", "--dry-run")[1] == seen
    assert Decimal(account("realized")) == realized

    code, done = cab("maintenance", "dust", "--write-off", "--yes", "--symbol", "BTC/USDT")
    assert (code, done["written_off"]) == (0, True)
    assert Decimal(account("realized")) == realized - costs["BTC/USDT"]
    assert [each["symbol"] for each in cab("maintenance", "dust")[1]["dust"]] == ["ETH/USDT"]
    assert cab("maintenance", "dust", "--symbol", "BTC/USDT")[0] == 4

    assert cab("verify")[1]["violated"] == []
    period = ("--period", "custom", "--from", "2000-01-01", "--to", "2100-01-01")
    assert Decimal(cab("perf", *period)[1]["realized"]) == Decimal(account("realized"))
    (row,) = [row for row in visit("bot.sqlite3", load_audit) if row.entry.action == "maintenance.dust"]
    entry = row.entry
    assert (entry.target, entry.surface, Decimal(entry.before["cost"])) == (
        "BTC/USDT",
        "cli",
        costs["BTC/USDT"],
    )

    trade(cab, 6)  # the bot goes on with what is left
    assert cab("verify")[1]["violated"] == []
    assert Decimal(cab("perf", *period)[1]["realized"]) == Decimal(account("realized"))


def test_a_running_bot_or_a_missing_word_keeps_it(cab: Cab, tmp_path: Path) -> None:
    assert cab("maintenance", "dust")[0] == 5  # nothing was traded yet
    trade(cab, 3)
    before = account("realized")
    code, told = cab("maintenance", "dust", "--write-off")
    assert (code, told["error"]["where"]) == (8, "--write-off")
    with instance_lock(tmp_path / "lock", 0):
        assert cab("maintenance", "dust")[0] == 0
        assert cab("maintenance", "dust", "--write-off", "--yes")[0] == 75
    assert account("realized") == before


def test_people_see_a_table(cab: Cab, capsys: pytest.CaptureFixture[str]) -> None:
    trade(cab, 3)
    assert invoke(["maintenance", "dust", "--write-off", "--yes"]) == 0
    out = capsys.readouterr().out
    assert "BTC/USDT" in out
    assert "written off: " in out
    assert invoke(["maintenance", "dust"]) == 0
    assert capsys.readouterr().out == "no dust\n"
