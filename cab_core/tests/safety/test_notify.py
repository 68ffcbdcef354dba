from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cab_core.safety.notify import ServiceManager


def listening(address: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(address)
    sock.settimeout(5)
    return sock


@pytest.fixture(params=["file", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A service manager's socket and what NOTIFY_SOCKET says of it."""
    name = f"cab-test-{os.getpid()}-{tmp_path.name}"
    if request.param == "file":
        bound, said = str(tmp_path / "notify"), str(tmp_path / "notify")
    else:
        bound, said = f"\0{name}", f"@{name}"
    with listening(bound) as sock:
        yield sock, said


def test_systemd_hears_what_it_is_told(systemd: tuple[socket.socket, str]) -> None:
    sock, address = systemd
    manager = ServiceManager.of({"NOTIFY_SOCKET": address})
    assert manager.ready("3 symbols")
    assert manager.alive()
    assert manager.status("paused:\nno data\nREADY=1")
    assert manager.stopping()
    assert [sock.recv(4096) for _ in range(4)] == [
        b"READY=1\nSTATUS=3 symbols",
        b"WATCHDOG=1",
        b"STATUS=paused: no data READY=1",
        b"STOPPING=1",
    ]


def test_without_systemd_nothing_is_said() -> None:
    manager = ServiceManager.of({})
    assert not manager.ready()
    assert not manager.alive()
    assert manager.watchdog_s == 0


@pytest.mark.parametrize("address", ["/nowhere/at/all", "@cab-nobody-listens", "x" * 300])
def test_a_service_manager_that_is_gone_does_no_harm(address: str) -> None:
    assert not ServiceManager(address).alive()


def test_a_service_manager_that_does_not_read_does_not_block(tmp_path: Path) -> None:
    with listening(str(tmp_path / "notify")):
        manager = ServiceManager(str(tmp_path / "notify"))
        said = [manager.alive() for _ in range(10_000)]
    assert said[0]
    assert not said[-1]


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "41"}, 0.5),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
def test_how_often_it_wants_to_hear(environment: dict[str, str], seconds: float) -> None:
    assert ServiceManager.of(environment, pid=41).watchdog_s == seconds


def test_it_speaks_as_systemds_own_tool_does(tmp_path: Path) -> None:
    with listening(str(tmp_path / "notify")) as sock:
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        program = (
            "import os; from cab_core.safety.notify import ServiceManager;"
            "ServiceManager.of(os.environ).ready('up')"
        )
        subprocess.run([sys.executable, "-c", program], env=environment, check=True)
        assert sock.recv(4096).splitlines() == [b"READY=1", b"STATUS=up"]
