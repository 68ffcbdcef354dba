"""The image's own command, run as the container would: its user, its environment, one writable folder."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from deployed import Instructions

from cab_core.data.files import write_candles
from cab_core.data.generator import generate

USER = 10001
BIN = Path(sys.executable).parent


@attrs.frozen
class Container:
    """What `docker run` would give: environment, volume, and the user where this process may become one."""

    data: Path
    entry: list[str]
    command: list[str]
    check: list[str]
    environment: dict[str, str]
    owner: dict[str, int]

    def start(self, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.entry, *args],
            cwd=self.data,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **self.owner,
        )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            cwd=self.data,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            **self.owner,
        )


@pytest.fixture(scope="module")
def container(dockerfile: Instructions) -> Iterator[Container]:
    stage: dict[str, str] = {}
    environment: dict[str, str] = {}
    for word, text in dockerfile:
        if word == "FROM":
            stage, environment = {}, {}
        elif word == "ENV":
            environment |= dict(item.split("=", 1) for item in shlex.split(text))
        stage[word] = text
    data = Path(tempfile.mkdtemp(prefix="cab-data-"))
    write_candles(data / "BTC-USDT_15m.csv.gz", generate("BTC/USDT", 30, 3))
    owner = {"user": USER, "group": USER} if may_become(USER) else {}
    if owner:
        os.chown(data, USER, USER)
    given = {name: value.replace("/data", str(data)) for name, value in environment.items()}
    yield Container(
        data=data,
        entry=json.loads(stage["ENTRYPOINT"]),
        command=json.loads(stage["CMD"]),
        check=json.loads(stage["HEALTHCHECK"].partition("CMD ")[2]),
        environment={
            "PATH": f"{BIN}:/usr/bin:/bin",
            "MODE": "paper",
            "EXCHANGE": "gateio",
            "SYMBOLS": "BTC/USDT",
            "PORT": str(free_port()),
            **given,
        },
        owner=owner,
    )
    shutil.rmtree(data)


def may_become(user: int) -> bool:
    """Say whether this process may start one of another user, and that one may read this environment."""
    probe = [sys.executable, "-c", "import cab_core.app"]
    try:
        return subprocess.run(probe, user=user, cwd="/", capture_output=True, check=False).returncode == 0
    except PermissionError:
        return False


def free_port() -> int:
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def until(holds: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


def test_without_a_bot_it_is_not_healthy(container: Container) -> None:
    assert container.run(*container.check).returncode != 0


def test_it_trades_is_healthy_and_ends_at_sigterm(container: Container) -> None:
    candles = container.data / "BTC-USDT_15m.csv.gz"
    process = container.start(*container.command, "--market", f"file:{candles}", "--speed", "900", "--json")
    try:
        until(lambda: container.run(*container.check).returncode == 0, process)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert json.loads(out)["ended"] == "SIGTERM"
    database = container.data / "trader.sqlite3"
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    assert container.run("cab", "verify").returncode == 0
    backup = container.run("cab", "maintenance", "backup", "--json")
    assert backup.returncode == 0, backup.stderr
    kept = Path(json.loads(backup.stdout)["file"])
    assert kept.parent == container.data / "backups"
    assert kept.stat().st_uid == database.stat().st_uid
