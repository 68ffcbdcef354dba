from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cab_core.cli import invoke
from cab_core.data.files import write_candles
from cab_core.data.generator import generate
from cab_core.storage import load_regime, load_traces, verify_journal, visit

PAPER = {"MODE": "paper", "EXCHANGE": "gateio", "SYMBOLS": "BTC/USDT", "TREND_UNKNOWN_POLICY": "allow"}


@pytest.fixture(autouse=True)
def quiet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    monkeypatch.setenv("PORT", "0")


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Set a paper bot up, with a day of candles in ``BTC-USDT.csv``."""
    for name, value in PAPER.items():
        monkeypatch.setenv(name, value)
    write_candles(folder / "BTC-USDT.csv", generate("BTC/USDT", 1, 11))
    return folder


def told(capsys: pytest.CaptureFixture[str], *args: str) -> dict[str, Any]:
    assert invoke(["run", "--speed", "max", "--json", *args]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_a_file_is_traded_to_its_end_and_not_again(paper: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = told(capsys, "--market", "file:BTC-USDT.csv")
    assert (first["ended"], first["cycles"], first["symbols"]) == ("end", 96, ["BTC/USDT"])
    assert (paper / "data" / "trader.sqlite3").is_file()
    assert len(visit("data/trader.sqlite3", load_traces)) == 96
    assert told(capsys, "--market", "file:BTC-USDT.csv")["cycles"] == 0
    assert visit("data/trader.sqlite3", verify_journal) == []


def test_longer_candles_are_taken_up_where_the_shorter_ended(
    paper: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told(capsys, "--market", "file:BTC-USDT.csv")
    (paper / "longer").mkdir()
    write_candles(paper / "longer" / "BTC-USDT.csv.gz", generate("BTC/USDT", 2, 11))
    assert told(capsys, "--market", "file:longer")["cycles"] == 96


def test_a_symbol_that_joins_later_does_not_turn_the_time_back(
    paper: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told(capsys, "--market", "file:BTC-USDT.csv")
    monkeypatch.setenv("SYMBOLS", "BTC/USDT,ETH/USDT")
    write_candles(paper / "ETH-USDT.csv", generate("ETH/USDT", 1, 11))
    late = told(capsys, "--market", "file:BTC-USDT.csv", "--market", "file:ETH-USDT.csv")
    assert late["cycles"] == 1  # the newest candle only


def test_a_person_gets_a_summary(paper: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["run", "--market", "file:BTC-USDT.csv", "--speed", "max"]) == 0
    text = capsys.readouterr().out
    assert "the recording ended" in text
    assert "96 candles" in text


def test_every_missing_setting_is_named_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        invoke(["run", "--market", "sample", "--set", "STOP_LOSS_PCT=-1", "--set", "PORT=x", "--json"]) == 78
    )
    error = json.loads(capsys.readouterr().err)["error"]
    named = " ".join(problem["what"] + problem["where"] for problem in error["problems"])
    for name in ("MODE", "EXCHANGE", "SYMBOLS", "STOP_LOSS_PCT", "PORT"):
        assert name in named
    assert all(problem["fix"] for problem in error["problems"])


@pytest.mark.usefixtures("paper")
def test_the_exchange_needs_a_plugin_that_is_not_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXCHANGE", "nowhere")
    assert invoke(["run"]) == 78
    err = capsys.readouterr().err
    assert "'nowhere' is not installed" in err
    assert "gateio" in err


@pytest.mark.usefixtures("paper")
def test_an_exchange_that_cannot_be_reached_is_named_and_waited_for(tmp_path: Path) -> None:
    Path("cab.toml").write_text('[brokers.gateio]\nbase_url = "http://127.0.0.1:9/api/v4"\n')
    program = "from cab_core.cli import main; main()"
    with (tmp_path / "said").open("w") as said:
        bot = subprocess.Popen([sys.executable, "-c", program, "run", "--no-api"], stderr=said)
    try:
        end = time.monotonic() + 120
        while "the start waits" not in (err := (tmp_path / "said").read_text()):
            assert bot.poll() is None, err
            assert time.monotonic() < end
            time.sleep(0.1)
        assert "broker:gateio" in err
        assert "--market sample" in err
        bot.send_signal(signal.SIGINT)
        assert bot.wait(60) == 130
    finally:
        bot.kill()
        bot.wait()
    assert "Traceback" not in (tmp_path / "said").read_text()


@pytest.mark.usefixtures("paper")
def test_live_is_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODE", "live")
    for name in ("API_KEY", "API_SECRET", "API_TOKEN"):
        monkeypatch.setenv(name, "a-real-looking-value-0123456789")
    assert invoke(["run", "--market", "sample"]) == 8
    assert "live trading needs" in capsys.readouterr().err


@pytest.mark.usefixtures("paper")
@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["--market", "moon"], 2, "'moon' is no market"),
        (["--market", "sample:x"], 2, "is no market"),
        (["--market", "BTC-USDT.csv"], 2, "--market file:BTC-USDT.csv"),
        (["--market", "sample", "--market", "exchange"], 2, "one market at a time"),
        (["--market", "file:nothing.csv"], 4, "no such file"),
        (["--market", "file:."], 4, "no candles of SOL/USDT"),
        (["--market", "sample", "--speed", "0"], 2, "is no speed"),
        (["--market", "sample", "--set", "STRATEGY_SET=nothing_like_it"], 78, "nothing_like_it"),
        (
            ["--market", "sample", "--set", "NOTIFIER_SET=log", "--set", "DB_PATH=BTC-USDT.csv/x"],
            1,
            "BTC-USDT.csv",
        ),
    ],
)
def test_what_cannot_be_run_is_refused(
    args: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--set", "SYMBOLS=SOL/USDT"] if args[-1] == "file:." else []
    assert invoke(["run", *args, *more]) == code
    assert says in capsys.readouterr().err


@pytest.mark.usefixtures("paper")
def test_a_database_stays_with_its_market(capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, "--market", "file:BTC-USDT.csv")
    assert invoke(["run", "--market", "sample", "--speed", "max"]) == 78
    err = capsys.readouterr().err
    assert "paper:file" in err
    assert "DB_PATH" in err


def test_the_macro_sources_are_asked_and_kept(
    paper: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (paper / "dxy.json").write_text('{"change_pct": 0.36}')
    (paper / "btcd.json").write_text('{"change_pct": 0.7}')
    monkeypatch.setenv("REGIME_DXY_URL", f"file://{paper / 'dxy.json'}")
    monkeypatch.setenv("REGIME_BTC_DOM_URL", f"file://{paper / 'btcd.json'}")
    monkeypatch.setenv("REGIME_INTERVAL_SEC", "3600")
    first = told(capsys, "--market", "file:BTC-USDT.csv")
    assert first["orders"] == 0
    stored = visit("data/trader.sqlite3", load_regime)
    assert stored is not None
    assert stored.state == "neutral"
    assert stored.payload["sources"].keys() == {"dxy", "btc_dominance"}
    reasons = {trace.reason for trace in visit("data/trader.sqlite3", load_traces)}
    assert "regime_neutral" in reasons


def test_a_source_that_never_answers_counts_as_stale_and_does_not_stop_the_bot(
    paper: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGIME_DXY_URL", f"file://{paper / 'nothing.json'}")
    assert told(capsys, "--market", "file:BTC-USDT.csv")["failures"] == {}
    stored = visit("data/trader.sqlite3", load_regime)
    assert stored is not None
    assert (stored.state, stored.score) == ("risk_on", 0.75)


def test_events_become_log_lines_with_trace_and_symbol(
    paper: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_candles(paper / "week" / "BTC-USDT.csv", generate("BTC/USDT", 4, 11))
    monkeypatch.setenv("LOG_LEVEL", "INFO")
    monkeypatch.setenv("LOG_FORMAT", "json")
    assert invoke(["run", "--market", "file:week", "--speed", "max", "--json"]) == 0
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in err.splitlines()]
    bought = [line for line in lines if line["module"] == "cab.events" and " buy: " in line["message"]]
    assert json.loads(out)["actions"]["buy"] == len(bought) > 0
    traces = {trace.trace_id for trace in visit("data/trader.sqlite3", load_traces)}
    assert all(line["trace_id"] in traces and line["symbol"] == "BTC/USDT" for line in bought)
    alerts = [line for line in lines if line["module"] == "cab.alerts"]
    assert any("h: " in line["message"] and "bought" in line["message"] for line in alerts)
