"""The processes of the Procfile, started as a platform would start them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from deployed import ROOT

from cab_core.settings import SETTINGS
from cab_exchange_sim.testing import running_exchange

sys.path += [str(ROOT / "tests/e2e"), str(ROOT / "tests/live")]
from live_desk import exchange_of_now

Start = Callable[[str], subprocess.Popen[str]]


def processes() -> dict[str, str]:
    return dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def start(tmp_path: Path, port: int) -> Iterator[Start]:
    """Start a line of the Procfile through a shell, as platforms do; all is ended with the test."""
    known = {row.name for row in SETTINGS}
    clean = {name: value for name, value in os.environ.items() if name not in known}
    started: list[subprocess.Popen[str]] = []
    with running_exchange(exchange_of_now(), rate=1.0) as venue:
        (tmp_path / "cab.toml").write_text(f'[brokers.gateio]\nbase_url = "{venue.base_url}"\n')
        environment = clean | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PORT": str(port),
            "MODE": "paper",
            "EXCHANGE": "gateio",
            "SYMBOLS": "BTC/USDT",
            "INSTANCE_LOCK_PATH": str(tmp_path / "lock"),
            "HEALTH_CHECK_INTERVAL_SEC": "1",
        }

        def run(name: str) -> subprocess.Popen[str]:
            log = (tmp_path / f"{name}.log").open("w")
            with log:
                process = subprocess.Popen(
                    ["sh", "-c", f"exec {processes()[name]}"],
                    cwd=tmp_path,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    text=True,
                )
            started.append(process)
            return process

        yield run
        for process in started:
            process.kill()
            process.wait()


def answer(port: int, path: str) -> int:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            json.load(response)
            return int(response.status)
    except OSError:
        return 0


def test_it_names_web_and_worker() -> None:
    assert processes() == {
        "web": "uvicorn cab_core.api.app:app --host 0.0.0.0 --port $PORT",
        "worker": "cab-health-monitor --daemon",
    }


def test_both_start_and_end(start: Start, port: int, tmp_path: Path) -> None:
    web = start("web")
    until(lambda: answer(port, "/ready") == 200, web, tmp_path / "web.log")
    worker = start("worker")
    until(lambda: "{" in (tmp_path / "worker.log").read_text(), worker, tmp_path / "worker.log")
    for process in (worker, web):
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) in (0, -signal.SIGTERM), (tmp_path / "web.log").read_text()[-3000:]


def until(holds: Callable[[], bool], process: subprocess.Popen[str], log: Path) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < end, log.read_text()[-3000:]
        time.sleep(0.1)
