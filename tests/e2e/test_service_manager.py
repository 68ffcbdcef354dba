"""What systemd hears of a bot, in paper as in live: more time for a start that waits, and a sign of life."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from live_desk import PROGRAM, LiveDesk

Desk = Callable[..., LiveDesk]

#: The bot is held where it has just said that it is ready.
HELD = (
    "import time; from cab_core.safety.notify import ServiceManager; ready = ServiceManager.ready; "
    "ServiceManager.ready = lambda *told: (ready(*told), time.sleep(2))"
)


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        sock.settimeout(120)
        yield sock


def until_heard(sock: socket.socket, word: str) -> float:
    """Return when a word was heard, seconds."""
    while word not in sock.recv(4096).decode():
        pass
    return time.monotonic()


@pytest.mark.parametrize("mode", ["paper", "live"])
def test_it_says_again_and_again_that_it_lives(desk: Desk, tmp_path: Path, mode: str) -> None:
    live = desk(MODE=mode, DMS_ENABLED="false")
    with listening(tmp_path / "notify") as sock:
        bot = live.start(NOTIFY_SOCKET=str(tmp_path / "notify"), buys=False)
        until_heard(sock, "READY=1")
        for _ in range(3):
            until_heard(sock, "WATCHDOG=1")
        live.finish(bot)
        until_heard(sock, "STOPPING=1")


def test_a_start_that_waits_asks_for_more_time(desk: Desk, tmp_path: Path) -> None:
    live = desk(DMS_ENABLED="false")
    live.fault("page_502", after=False, method="", path="", times=None)
    with listening(tmp_path / "notify") as sock:
        bot = live.start(NOTIFY_SOCKET=str(tmp_path / "notify"), buys=False)
        for _ in range(2):
            until_heard(sock, "EXTEND_TIMEOUT_USEC=")
        live.venue.call(live.venue.faults.clear)
        until_heard(sock, "READY=1")
        live.finish(bot)


def test_once_it_is_ready_a_signal_stops_it_cleanly(desk: Desk, tmp_path: Path) -> None:
    live = desk(DMS_ENABLED="false")
    with listening(tmp_path / "notify") as sock:
        bot = live.start(program=f"{HELD}; {PROGRAM}", NOTIFY_SOCKET=str(tmp_path / "notify"), buys=False)
        until_heard(sock, "READY=1")
        live.finish(bot)
