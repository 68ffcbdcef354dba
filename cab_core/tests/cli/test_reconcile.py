from __future__ import annotations

import json
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cab_core.cli import invoke, main_reconcile
from cab_core.data.files import write_candles
from cab_core.data.generator import generate
from cab_core.safety.instance_lock import instance_lock
from cab_core.storage import (
    journal_rows,
    kv_load,
    kv_save,
    load_audit,
    load_fills,
    load_positions,
    load_reconciliations,
    verify_journal,
    visit,
)

pytestmark = pytest.mark.reconciliation

DATABASE = "data/trader.sqlite3"

#: Buys as soon as it can; with such wide exits it still holds at the end.
ALWAYS = '''
"""Buys."""

import numpy as np

from cab_core.sdk import Signals, Strategy, hookimpl, plugin


@plugin
class Always(Strategy):
    """Says buy at every bar."""

    def warmup_bars(self):
        return 1

    @hookimpl
    def signals(self, bars):
        n = len(bars)
        return Signals(np.ones(n, np.int8), np.ones(n), np.zeros(n, np.int32), ("always",))
'''

SETUP = {
    "MODE": "paper",
    "EXCHANGE": "gateio",
    "SYMBOLS": "BTC/USDT",
    "TREND_UNKNOWN_POLICY": "allow",
    "VOLUME_FILTER_ENABLED": "false",
    "STRATEGY_SET": "always.py",
    "STOP_LOSS_PCT": "90",
    "TAKE_PROFIT_1_PCT": "500",
    "TAKE_PROFIT_2_PCT": "900",
    "LOG_LEVEL": "ERROR",
}


@pytest.fixture
def bought(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder with a stopped paper bot that holds a position."""
    for name, value in SETUP.items():
        monkeypatch.setenv(name, value)
    (folder / "always.py").write_text(ALWAYS)
    write_candles(folder / "BTC-USDT.csv", generate("BTC/USDT", 1, 11)[:12])
    assert invoke(["run", "--market", "file:BTC-USDT.csv", "--speed", "max", "--json"]) == 0
    capsys.readouterr()
    assert held() > 0
    return folder


def held() -> Decimal:
    state = visit(DATABASE, load_positions).get("BTC/USDT")
    return Decimal(0) if state is None else Decimal(state["quantity"])


def at_venue(change: str = "0") -> Decimal:
    """Let somebody trade base by hand, and return what is there then."""
    balances = json.loads(visit(DATABASE, kv_load)["balances"])
    total = Decimal(balances["free"]["BTC"]) + Decimal(change)
    balances["free"]["BTC"] = str(total)
    visit(DATABASE, lambda conn: kv_save(conn, {"balances": json.dumps(balances)}), read_only=False)
    return total


def sell_half_by_hand() -> Decimal:
    return at_venue(f"-{held() / 2}")


def content() -> list[Any]:
    return visit(DATABASE, lambda conn: [*journal_rows(conn), load_reconciliations(conn), kv_load(conn)])


def told(capsys: pytest.CaptureFixture[str], code: int, *args: str) -> dict[str, Any]:
    assert invoke(["reconcile", "--json", *args]) == code
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


@pytest.mark.usefixtures("bought")
def test_a_book_that_agrees(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, 0) == {
        "clean": True,
        "dry_run": True,
        "symbols": [
            {
                "symbol": "BTC/USDT",
                "clean": True,
                "skipped": None,
                "findings": [],
                "corrected": [],
                "left": [],
            }
        ],
    }


@pytest.mark.catalogue(159)
@pytest.mark.usefixtures("bought")
def test_without_options_it_only_tells(capsys: pytest.CaptureFixture[str]) -> None:
    there = sell_half_by_hand()
    before = content()

    (symbol,) = told(capsys, 1)["symbols"]
    (finding,) = symbol["findings"]
    assert finding["kind"] == "position_short"
    assert Decimal(finding["expected"]) == held()
    assert Decimal(finding["actual"]) == there
    assert "external sell" in finding["correction"]
    assert symbol["corrected"] == []
    assert content() == before


@pytest.mark.catalogue(46, 159)
@pytest.mark.usefixtures("bought")
def test_a_position_is_reduced_by_force_only(capsys: pytest.CaptureFixture[str]) -> None:
    there = sell_half_by_hand()

    (once,) = told(capsys, 1, "--fix")["symbols"]
    assert once["corrected"] == []
    assert held() > there

    # The coins are gone and nothing was paid for them: a sale that the book makes up for, and a withdrawal.
    forced, cash = told(capsys, 0, "--force-sync")["symbols"]
    assert len(forced["corrected"]) == 1
    assert [found["kind"] for found in cash["findings"]] == ["cash_moved"]
    assert "left the account" in cash["corrected"][0]
    assert forced["left"] == []
    assert held() == there
    assert visit(DATABASE, load_fills)[-1].trade_id.startswith("estimated:")
    recorded = visit(
        DATABASE, lambda conn: [row.payload for row in journal_rows(conn) if row.kind == "position.adjusted"]
    )
    assert [json.loads(payload)["reason"] for payload in recorded] == ["external_sell"]
    fixed, by_force = [row.entry for row in visit(DATABASE, load_audit)]
    assert fixed.before["options"] == {"fix": True, "force_sync": False, "adopt": False}
    assert (by_force.action, by_force.target, by_force.surface) == ("reconcile", "BTC/USDT", "cli")
    assert by_force.actor.startswith("cli:")
    assert by_force.before["options"]["force_sync"]
    assert by_force.after == {"corrected": forced["corrected"], "left": []}
    assert visit(DATABASE, verify_journal) == []
    assert told(capsys, 0)["clean"]
    assert invoke(["verify"]) == 0


@pytest.mark.usefixtures("bought")
def test_a_bot_goes_on_after_a_correction(capsys: pytest.CaptureFixture[str]) -> None:
    there = sell_half_by_hand()
    told(capsys, 0, "--force-sync")
    write_candles(Path("BTC-USDT.csv"), generate("BTC/USDT", 1, 11)[:20])
    assert invoke(["run", "--market", "file:BTC-USDT.csv", "--speed", "max", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cycles"] == 8
    assert held() == there


@pytest.mark.catalogue(159)
def test_corrections_need_the_bot_stopped_and_a_look_does_not(
    bought: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = sell_half_by_hand()
    locked, done = threading.Event(), threading.Event()

    def bot() -> None:
        with instance_lock(bought / "lock", 0):
            locked.set()
            done.wait(30)

    running = threading.Thread(target=bot)
    running.start()
    locked.wait(30)
    try:
        assert told(capsys, 1)["clean"] is False
        assert invoke(["reconcile", "--force-sync", "--json"]) == 75
        error = json.loads(capsys.readouterr().err)["error"]
        assert "stop it first" in error["fix"]
        assert held() > there
    finally:
        done.set()
        running.join()


@pytest.mark.usefixtures("bought")
def test_a_deposit_is_taken_over_only_when_that_is_allowed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_venue(f"-{held()}")
    told(capsys, 0, "--force-sync")
    there = at_venue("2")
    (symbol,) = told(capsys, 0)["symbols"]
    assert [finding["kind"] for finding in symbol["findings"]] == ["unmanaged"]

    assert invoke(["reconcile", "--adopt"]) == 8
    assert "ADOPT_EXTERNAL=true" in capsys.readouterr().err
    assert held() == 0

    monkeypatch.setenv("ADOPT_EXTERNAL", "true")
    assert told(capsys, 0, "--adopt")["clean"]
    assert held() == there
    assert visit(DATABASE, load_positions)["BTC/USDT"]["protection"]["stage"] == 0
    assert invoke(["verify"]) == 0


@pytest.mark.usefixtures("bought")
def test_text_and_both_spellings_of_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sell_half_by_hand()
    assert invoke(["reconcile"]) == 1
    text = capsys.readouterr().out
    assert "would be done" in text
    assert "--force-sync" in text
    assert invoke(["reconcile", "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out) == told(capsys, 1)

    monkeypatch.setattr("sys.argv", ["cab-reconcile", "--json"])
    with pytest.raises(SystemExit) as ended:
        main_reconcile()
    assert ended.value.code == 1


@pytest.mark.usefixtures("bought")
def test_what_is_not_there_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert invoke(["reconcile", "--symbol", "BTC/USDX"]) == 4
    assert "did you mean BTC/USDT?" in capsys.readouterr().err
    monkeypatch.setenv("DB_PATH", "elsewhere.sqlite3")
    assert invoke(["reconcile"]) == 5
    assert invoke(["reconcile", "--fix"]) == 5
    assert not Path("elsewhere.sqlite3").exists()


@pytest.mark.usefixtures("bought")
def test_a_paper_account_is_not_compared_with_a_real_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"MODE": "live", "API_KEY": "k", "API_SECRET": "s", "API_TOKEN": "t" * 20}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("STRATEGY_SET", "ema_atr")
    assert invoke(["reconcile", "--json"]) == 78
    assert "belongs to the account 'paper:" in capsys.readouterr().err
