"""``cab backtest`` as a process of its own: interrupted, killed, piped, on a terminal, weighed."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = next(p for p in Path(__file__).resolve().parents if (p / "cab_core").is_dir())
SHARED = ROOT.parent / "shared"
CAB = (sys.executable, "-c", "from cab_core.cli import main; main()")
NINE = (
    "ema_atr,ema_cross,rsi_momentum,bollinger_bands,donchian_breakout,supertrend,stochastic_adx,"
    "keltner_squeeze,vwap_reversion"
)
#: Says when it is asked first, and then takes its time, so that a run can be caught in the middle.
SLOW = '''
import os, time
from pathlib import Path
from cab_core.sdk import Action, Signals, Strategy, When, decide, hookimpl, indicators, plugin


@plugin
class Slow(Strategy):
    """Buys above the average."""

    def warmup_bars(self):
        return 12

    @hookimpl
    def signals(self, bars):
        if "CAB_TEST_PAUSE" in os.environ:
            Path("asked").touch()
            time.sleep(float(os.environ["CAB_TEST_PAUSE"]))
        mean = indicators.sma(bars.close, 12)
        up, down = bars.close > mean * 1.002, bars.close < mean * 0.998
        table = [When(up, Action.BUY, "above", mean), When(down, Action.SELL, "below", mean)]
        return decide(len(bars), 12, table, "near")
'''


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (tmp_path / "slow.py").write_text(SLOW)
    made = cab(tmp_path, "data", "generate", "--out", "BTC-USDT.csv.gz", "--days", "60", "--seed", "3")
    assert made.returncode == 0, made.stderr
    return tmp_path


def cab(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CAB, *args], cwd=folder, env=clean(**env), capture_output=True, text=True, timeout=120, check=False
    )


def clean(**env: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **env}


SLOWLY = ("backtest", "--data", "BTC-USDT.csv.gz", "--strategies", "./slow.py", "--report", "report.html")


def start_and_stop(folder: Path, with_signal: signal.Signals) -> tuple[int, str, str]:
    process = subprocess.Popen(
        [*CAB, *SLOWLY, "--json"],
        cwd=folder,
        env=clean(CAB_TEST_PAUSE="0.2"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (folder / "asked").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(with_signal)
    out, err = process.communicate(timeout=60)
    (folder / "asked").unlink()
    return process.returncode, out, err


def decisions(folder: Path) -> str:
    done = cab(folder, *SLOWLY, "--json")
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["trades"] > 0
    return str(document["decisions_sha256"])


@pytest.mark.parametrize(
    ("with_signal", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9), (signal.SIGTERM, -15)]
)
def test_a_stopped_run_leaves_nothing_and_the_next_decides_the_same(
    desk: Path, with_signal: signal.Signals, code: int
) -> None:
    before = sorted(desk.rglob("*"))
    returned, out, err = start_and_stop(desk, with_signal)
    assert (returned, out) == (code, "")
    assert "Traceback" not in err
    kept = [path for path in sorted(desk.rglob("*")) if "__pycache__" not in path.parts]
    assert kept == before
    again = decisions(desk)
    for path in ("report.html", "data"):
        assert (desk / path).exists()
    assert decisions(desk) == again


def test_hash_seeds_change_nothing(desk: Path) -> None:
    told = []
    for seed in ("1", "2"):
        done = cab(desk, *SLOWLY, "--json", PYTHONHASHSEED=seed)
        document = json.loads(done.stdout)
        del document["elapsed_s"], document["bars_per_s"]
        told.append((document, (desk / "report.html").read_bytes()))
    assert told[0] == told[1]


def test_a_terminal_gets_progress_on_stderr_and_a_pipe_does_not(desk: Path) -> None:
    main, side = pty.openpty()
    env = clean(TERM="xterm", CAB_TEST_PAUSE="0.05", COLUMNS="120")
    args = [*CAB, *SLOWLY[:-2]]
    process = subprocess.Popen(args, cwd=desk, env=env, stdout=subprocess.PIPE, stderr=side, text=True)
    os.close(side)
    shown = b""
    while chunk := read(main):
        shown += chunk
    out, _ = process.communicate(timeout=60)
    os.close(main)
    assert process.returncode == 0
    assert b"evaluating" in shown
    assert "Max drawdown" in out
    assert "\x1b" not in out
    piped = cab(desk, *SLOWLY[:-2])
    assert "evaluating" not in piped.stderr


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the other end is closed
        return b""


def test_a_full_or_read_only_place_is_named(desk: Path) -> None:
    done = cab(desk, *SLOWLY[:-1], "/proc/report.html", "--json")
    assert done.returncode == 1
    error = json.loads(done.stderr.splitlines()[-1])["error"]
    assert error["where"] == "/proc/report.html"
    assert error["fix"]
    assert done.stdout == ""


@pytest.fixture
def year() -> Path:
    path = SHARED / "data" / "ohlcv" / "binance_BTC-USDT_15m_2023.csv.gz"
    if not path.is_file():
        pytest.skip("the recorded candles (shared/data) are not beside this checkout")
    return path


def test_a_year_with_nine_strategies_is_light(tmp_path: Path, year: Path) -> None:
    args = ("backtest", "--data", str(year), "--strategies", NINE, "--mode", "vote", "--json")
    first = cab(tmp_path, *args)
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)
    assert (told["symbols"], told["trades"] > 100) == (["BTC/USDT"], True)
    # A child's peak memory starts with that of its parent, and pytest's is large: a small process measures.
    spawn = (sys.executable, str(ROOT / "benchmarks/spawn.py"), "told.json", "errors.txt")
    measured = subprocess.run(
        [*spawn, *CAB, *args], cwd=tmp_path, env=clean(), capture_output=True, check=True
    )
    code, cpu_s, peak_mib = json.loads(measured.stdout)
    assert code == 0
    assert cpu_s < 3.0  # 0.9 on a quiet machine
    assert 50 < peak_mib < 130
    why = cab(tmp_path, "why", "--last", "--json")
    assert len(json.loads(why.stdout)["strategies"]) == 9


@pytest.mark.parametrize("name", ["real_btc", "synth_a"])
def test_signals_equal_the_reference(tmp_path: Path, name: str) -> None:
    reference = SHARED / "reference"
    if not reference.is_dir():
        pytest.skip("the reference vectors (shared/reference) are not beside this checkout")
    market = ("--data", str(reference / f"ohlcv_15m_{name}.csv"), "--symbol", "BTC/USDT", "--csv")
    said = cab(tmp_path, "signals", *market, "--strategies", NINE)
    assert said.returncode == 0, said.stderr
    expected = rows((reference / f"decisions_{name}.csv").read_text())
    compare(rows(said.stdout), expected, ("bar", "strategy", "action", "reason"))
    wanted = rows((reference / f"aggregate_{name}.csv").read_text())
    six = "ema_atr,donchian_breakout,supertrend,stochastic_adx,keltner_squeeze,vwap_reversion"
    weights = "donchian_breakout:1.2,stochastic_adx:0.9,keltner_squeeze:1.1,vwap_reversion:0.8"
    for mode, least in (("first", "0.0"), ("vote", "0.5"), ("weighted", "0.5")):
        options = ("--aggregate", mode, "--min-confidence", least, "--weights", weights)
        said = cab(tmp_path, "signals", *market, "--strategies", six, *options)
        part = [row for row in wanted if row["mode"] == mode]
        compare(rows(said.stdout), part, ("bar", "mode", "action", "reason"))


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def compare(found: list[dict[str, str]], expected: list[dict[str, str]], exact: tuple[str, ...]) -> None:
    assert len(found) == len(expected) > 700
    for own, other in zip(found, expected, strict=True):
        assert [own[key] for key in exact] == [other[key] for key in exact]
        assert float(own["confidence"]) == pytest.approx(float(other["confidence"]), rel=1e-9, abs=1e-9)
