from __future__ import annotations

import importlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from cab_core.cli.main import load_command
from cab_core.errors import NotFoundError

SERVE = [str(Path(sys.executable).with_name("cab")), "exchange", "serve", "--port", "0", "--json"]


@pytest.fixture
def serve(tmp_path):
    started = []

    def start(*args: str) -> tuple[subprocess.Popen[str], dict]:
        process = subprocess.Popen(
            [*SERVE, *args], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process, json.loads(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_answers_and_ends_cleanly(serve, number):
    process, facts = serve(
        "--symbols", "SOL/USDT", "--days", "10", "--speed", "manual", "--control-token", "c"
    )
    assert facts["pairs"] == ["SOL_USDT"]
    told = httpx.get(facts["base_url"] + "/spot/time", trust_env=False).json()
    assert told == {"server_time": facts["now_ms"]}
    assert httpx.get(facts["control_url"] + "/clock", trust_env=False).status_code == 401
    process.send_signal(number)
    assert process.wait(timeout=30) == 0
    assert process.stderr.read() == ""


def test_a_running_exchange_moves_on_by_itself_at_the_present(serve):
    _, facts = serve("--days", "10", "--speed", "1")
    first = httpx.get(facts["base_url"] + "/spot/time", trust_env=False).json()["server_time"]
    second = httpx.get(facts["base_url"] + "/spot/time", trust_env=False).json()["server_time"]
    assert facts["now_ms"] <= first <= second < facts["end_ms"]
    assert facts["control_url"] is None


@pytest.mark.parametrize("days", ["2", "3", "5", "7", "8", "11"])
def test_a_short_market_is_open_at_the_present(serve, days):
    _, facts = serve("--days", days)
    assert abs(facts["now_ms"] - time.time() * 1000) < 60_000
    assert facts["now_ms"] < facts["end_ms"]
    query = {"currency_pair": "BTC_USDT", "interval": "15m", "limit": 2}
    candles = httpx.get(facts["base_url"] + "/spot/candlesticks", params=query, trust_env=False).json()
    assert len(candles) == 2


@pytest.mark.parametrize(
    "args",
    [["--speed", "never"], ["--fee", "free"], ["--open", "1999-01-01"], ["--symbol", ","]],
)
def test_what_makes_no_sense_is_refused(tmp_path, args):
    done = subprocess.run([*SERVE, *args], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    error = json.loads(done.stderr)["error"]
    assert args[0] in f"{error['where']} {error['what']}"
    assert error["fix"]


def test_without_the_distribution_it_says_what_to_install(monkeypatch):
    real = importlib.import_module

    def missing(name: str, *args: object) -> object:
        if name.startswith("cab_exchange_sim"):
            raise ModuleNotFoundError(name="cab_exchange_sim")
        return real(name, *args)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(NotFoundError) as refused:
        load_command("exchange")
    assert refused.value.fix == "pip install cab-exchange-sim"
