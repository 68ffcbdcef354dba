from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cab_core.app.explain import explain_cycle
from cab_core.app.research import Plan, prepare_run
from cab_core.app.runs import DECIDED
from cab_core.cli import invoke
from cab_core.data.symbols import NamedFile
from cab_core.domain.timeframes import TF_MS
from cab_core.ports import Changes, Cycle
from cab_core.settings import load_settings
from cab_core.storage import Store
from cab_core.storage.records import Records

BACKTEST = ("backtest", "--data", "BTC-USDT.csv.gz", "--strategies", "./swing.py")
BOLD = ("--set", "VOLUME_FILTER_ENABLED=false", "--set", "TREND_UNKNOWN_POLICY=allow")
STEPS = ("strategies", "trend", "volume_ratio", "aggregate", "regime", "risk", "size", "orders", "position")

Cab = Callable[..., dict[str, Any]]
Refused = Callable[..., tuple[int, str]]

QUALITY = ("low_volume", "against_trend", "trend_insufficient_history")

pytestmark = pytest.mark.usefixtures("desk")


@pytest.fixture
def told(cab: Cab, desk: Path) -> dict[str, Any]:
    """A backtest with trades."""
    return cab(*BACKTEST, *BOLD)


def test_an_ordered_bar_is_told_from_candle_to_exit(told: dict[str, Any], cab: Cab) -> None:
    trade = told["last_trades"][0]
    why = cab("why", trade["trace_id"])
    assert set(STEPS) <= why.keys()
    assert (why["action"], why["reason"]) == ("buy", "first:swing")
    assert (why["run_id"], why["source"]) == (told["run_id"], "backtest")
    (vote,) = why["strategies"]
    assert (vote["action"], vote["reason"]) == ("buy", "above")
    assert vote["data"]["mean"] * 1.002 < why["close"]
    assert why["regime"]["state"] == "risk_on"
    assert why["held_before"] is False
    (order,) = why["orders"]
    assert order["client_id"] == why["order"]
    assert Decimal(order["fills"][0]["price"]) == Decimal(why["position"]["entry_price"])
    levels = {name: Decimal(price) for name, price in why["position"]["levels"].items()}
    assert levels["stop_loss"] == Decimal(why["position"]["entry_price"]) * Decimal("0.95")
    assert levels["stop_loss"] < levels["breakeven"] <= levels["take_profit_1"] < levels["take_profit_2"]
    assert why["position"]["exits"][-1]["reason"] == trade["exit"]
    assert why["position"]["pnl_quote"] == trade["pnl_quote"]
    assert why["position"]["closed_ms"] == trade["closed_ms"]


def test_last_is_the_newest_cycle_with_an_order(told: dict[str, Any], cab: Cab) -> None:
    why = cab("why", "--last")
    assert why["order"] is not None
    assert why["candle_ts_ms"] + TF_MS >= told["last_trades"][0]["closed_ms"] - 5 * 60_000
    assert cab("why", why["trace_id"]) == why
    assert cab("why", "--last", "--symbol", "btc/usdt") == why


def test_alone_it_says_how_each_symbol_stands_and_for_how_long(
    told: dict[str, Any], cab: Cab, capsys: pytest.CaptureFixture[str]
) -> None:
    (stands,) = cab("why")
    newest = cab("why", stands["trace_id"])
    assert (stands["action"], stands["reason"]) == (newest["action"], newest["reason"])
    first, before = (cab("why", "--at", str(stands["since_ms"] + ms)) for ms in (1, 1 - TF_MS))
    assert (first["action"], first["reason"]) == (stands["action"], stands["reason"])
    assert (before["action"], before["reason"]) != (stands["action"], stands["reason"])
    assert stands["held_ms"] == newest["candle_ts_ms"] - first["candle_ts_ms"] + TF_MS
    capsys.readouterr()
    assert invoke(["why"]) == 0
    out = capsys.readouterr().out
    assert f"{stands['action']}: {stands['reason']}" in out
    assert f"cab why {stands['trace_id']}" in out


def test_a_sell_names_the_trade_it_closed(told: dict[str, Any], cab: Cab) -> None:
    trade = next(t for t in told["last_trades"] if t["exit"] == "signal_sell")
    why = cab("why", "--at", str(trade["closed_ms"] // TF_MS * TF_MS))
    assert (why["action"], why["held_before"]) == ("sell", True)
    assert why["position"]["entry_trace_id"] == trade["trace_id"]
    assert why["orders"][0]["purpose"] == "signal_sell"


def test_a_bar_between_two_orders_is_told_with_the_open_position(told: dict[str, Any], cab: Cab) -> None:
    trade = max(told["last_trades"], key=lambda t: t["closed_ms"] - t["opened_ms"])
    why = cab("why", "--at", str(trade["opened_ms"] // TF_MS * TF_MS + TF_MS))
    assert (why["held_before"], why["position"]["entry_trace_id"]) == (True, trade["trace_id"])
    assert why["reason"] in ("already_long", "all_hold")
    assert (why["order"], why["orders"]) == (None, [])


def test_a_blocked_buy_says_what_stopped_it(cab: Cab) -> None:
    assert cab(*BACKTEST)["blocked_by_reason"]
    told = (_at(cab, row) for row in range(2000, 2400))
    why = next(each for each in told if each["reason"] in QUALITY)
    assert why["action"] == "hold"
    assert why["strategies"][0]["action"] == "buy"
    assert why["strategies"][0]["stopped_by"] == why["reason"]
    assert (why["order"], why["size"]) == (None, None)


def _at(cab: Cab, row: int) -> dict[str, Any]:
    return cab("why", "--at", str(1_704_067_200_000 + row * TF_MS + 1))


def test_every_cycle_has_one_reason_and_they_add_up_to_the_runs_counts(desk: Path) -> None:
    overrides = ["STRATEGY_SET=./swing.py", "RISK_COOLDOWN_SEC=3600"]
    settings = load_settings({}, desk, overrides, require_run=False).settings
    prepared = prepare_run(Plan(data=(NamedFile(Path("BTC-USDT.csv.gz")),)), settings)
    rows = range(len(prepared.histories.series["BTC/USDT"]))
    finished, _ = prepared.run(watch=frozenset((0, row) for row in rows))
    (tape,) = finished.tapes
    cycles = [explain_cycle(prepared, finished, tape, row) for row in rows if tape.decided_rows()[row]]
    assert len(cycles) == finished.result.cycles
    reasons = Counter(why["reason"] for why in cycles if why["action"] == "hold")
    for reason, count in finished.result.blocked.items():
        assert reasons[reason] == count
    orders = [order.intent for order in finished.result.orders if order.intent.purpose in DECIDED]
    assert [why["order"] for why in cycles if why["action"] != "hold"] == [o.client_id for o in orders]
    for why in cycles:
        assert why["reason"]
        assert (why["order"] is None) == (why["action"] == "hold")
        wants = [vote for vote in why["strategies"] if vote["action"] == "buy"]
        if why["reason"] in finished.result.blocked:
            assert wants
            assert (why["regime"] is None) == (why["reason"] in (*QUALITY, "already_long"))


def test_a_regime_that_blocks_is_told(cab: Cab, desk: Path) -> None:
    bad = {"time": "2024-01-01", "source": "dxy", "reading": {"change_pct": 0.9}}
    (desk / "macro.jsonl").write_text(
        f'{json.dumps(bad)}\n{{"time": "2024-01-01", "source": "fomc", "reading": {{"events": []}}}}\n'
    )
    told = cab(*BACKTEST, *BOLD, "--macro", "macro.jsonl")
    assert told["blocked_by_reason"]["regime_neutral"] > 0
    blocked = next(w for w in (_at(cab, row) for row in range(960, 1200)) if w["reason"] == "regime_neutral")
    assert blocked["regime"]["state"] == "neutral"
    assert blocked["risk"] == []


def test_people_read_the_steps_in_order(told: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert invoke(["why", told["last_trades"][0]["trace_id"]]) == 0
    out = capsys.readouterr().out
    labels = [
        *("candle", "trend", "volume", "strategies", "filters", "fusion", "aggregate", "position"),
        *("regime", "size", "order", "entry", "protection", "later", "=> buy: first:swing"),
    ]
    places = [out.index(f"\n{label}") for label in labels]
    assert places == sorted(places)


def test_changed_data_and_plugins_are_refused(told: dict[str, Any], desk: Path, refused: Refused) -> None:
    source, data = (desk / "swing.py").read_text(), (desk / "BTC-USDT.csv.gz").read_bytes()
    (desk / "swing.py").write_text(source.replace("1.002", "1.003"))
    code, said = refused("why", "--last")
    assert (code, "plugin strategy:swing changed" in said) == (1, True)
    (desk / "swing.py").write_text(source)
    assert (
        invoke(["data", "generate", "--out", "BTC-USDT.csv.gz", "--days", "40", "--seed", "6", "--force"])
        == 0
    )
    code, said = refused("why", told["last_trades"][0]["trace_id"])
    assert (code, "the data of BTC/USDT BTC-USDT.csv.gz changed" in said) == (1, True)
    (desk / "BTC-USDT.csv.gz").write_bytes(data)
    assert invoke(["why", "--last"]) == 0


def test_a_run_is_explained_from_any_folder_and_environment(
    told: dict[str, Any], cab: Cab, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (desk / "else").mkdir()
    monkeypatch.chdir(desk / "else")
    monkeypatch.setenv("DB_PATH", str(desk / "data" / "trader.sqlite3"))
    monkeypatch.setenv("FIXED_AMOUNT", "999")
    assert cab("why", "--last")["run_id"] == told["run_id"]


def test_run_picks_an_older_run(told: dict[str, Any], cab: Cab) -> None:
    newer = cab(*BACKTEST, *BOLD, "--set", "FIXED_AMOUNT=60")
    assert cab("why", "--last")["run_id"] == newer["run_id"]
    assert cab("why", "--last", "--run", told["run_id"])["run_id"] == told["run_id"]
    assert cab("why", told["last_trades"][0]["trace_id"])["run_id"] == told["run_id"]


def test_only_candles_of_the_span_are_cycles(cab: Cab, refused: Refused) -> None:
    cab(*BACKTEST, "--from", "2024-01-20")
    code, said = refused("why", "--at", "2024-01-15T10:00")
    assert (code, "only warmed up" in said) == (4, True)


@pytest.mark.parametrize(
    ("args", "expected", "value"),
    [
        (("--last", "--at", "2024-01-15"), 2, "only one"),
        (("nonsense",), 2, "16 hexadecimal"),
        (("0123456789abcdef",), 4, "0123456789abcdef"),
        (("--at", "2020-01-01"), 4, "the data reaches from"),
        (("--at", "soon"), 2, "'soon'"),
        (("--last", "--symbol", "ETH/USDT"), 4, "BTC/USDT"),
        (("--last", "--run", "ffff"), 4, "ffff"),
    ],
)
def test_what_is_not_there_is_named(
    args: tuple[str, ...], expected: int, value: str, told: dict[str, Any], refused: Refused
) -> None:
    code, said = refused("why", *args)
    assert code == expected
    assert value in said
    assert "fix:" in said


def test_without_any_run_it_says_how_to_make_one(refused: Refused) -> None:
    code, said = refused("why", "--last")
    assert (code, "cab backtest" in said) == (4, True)


def test_a_damaged_record_is_refused(told: dict[str, Any], refused: Refused) -> None:
    Path(f"data/runs/{told['run_id']}.json").write_text("{")
    code, said = refused("why", "--last")
    assert (code, "cannot be read" in said) == (1, True)


def record_cycle(path: Path, trace: dict[str, Any]) -> None:
    async def write() -> None:
        store = await Store.open(str(path))
        try:
            cycle = Cycle(
                trace_id="00000000000000aa",
                symbol="BTC/USDT",
                candle_ts_ms=trace["candle_ts_ms"],
                close=Decimal("42000.5"),
                action="hold",
                reason="low_volume",
                order_key=None,
                trace={**trace, "trace_id": "00000000000000aa", "action": "hold", "reason": "low_volume"},
            )
            await Records(store, "paper").commit(Changes(ts_ms=1, trace_id=cycle.trace_id, cycle=cycle))
        finally:
            await store.close()

    asyncio.run(write())


def test_recorded_cycles_are_found_beside_backtests(told: dict[str, Any], cab: Cab, desk: Path) -> None:
    database = desk / "data" / "trader.sqlite3"
    newest = cab("why", "--last")
    keys = ("symbol", "candle_ts_ms", "close", "trend", "volume_ratio", "strategies", "ai_probability")
    trace = {key: newest[key] for key in (*keys, "aggregate", "regime", "risk", "size", "order")}
    record_cycle(database, trace)
    found = cab("why", "00000000000000aa")
    assert (found["source"], found["reason"]) == ("database", "low_volume")
    at = str(newest["candle_ts_ms"] + 1)
    assert cab("why", "--at", at)["source"] == "database"  # written later than the run
    assert cab("why", "--last") == newest  # the recorded run has no order
    (record,) = (desk / "data" / "runs").iterdir()
    later_ns = database.stat().st_mtime_ns + 10**12
    os.utime(record, ns=(later_ns, later_ns))
    assert cab("why", "--at", at)["source"] == "backtest"
    assert invoke(["why", "00000000000000aa"]) == 0
