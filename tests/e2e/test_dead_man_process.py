"""The dead man's switch with real processes: a kernel that is stopped, blocked or killed, and its watcher.

The kernel is a stand-in: it holds the instance lock, beats, and sells when it sees that the price has fallen.
It sells from what it remembers, as a kernel that was stopped would, so only the fence keeps that from
happening twice.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import pytest

from cab_core.errors import LockedError, RefusedError
from cab_core.safety.instance_lock import instance_lock, living_holder
from cab_core.safety.latch import latch_file, read_latch, refuse_if_latched

T1, T2, RECHECK = 1.0, 4.0, 0.2

KERNEL = """
import json, os, signal, sys, threading, time
from pathlib import Path
from cab_core.safety.instance_lock import instance_lock
from cab_core.safety.watchman import Watchman

desk = Path(sys.argv[1])
position = int(sys.argv[2])
command = json.loads(sys.argv[3])

def append(name, text):
    with (desk / name).open("a") as file:
        file.write(text + "\\n")

def on_term(*_):
    global stopping
    stopping = True

stopping = False
signal.signal(signal.SIGTERM, on_term)
with instance_lock(desk / "lock", time.time_ns() // 1_000_000):
    watchman = Watchman.spawn(command) if command else None
    if watchman:
        append("watchers", str(watchman.pid))
    append("started", str(os.getpid()))
    while not stopping:
        if position and (desk / "price_fell").exists():
            append("sales", "kernel")
            position = 0
        if (desk / "block").exists():
            threading.Thread(target=lambda: [time.sleep(0.05) for _ in range(10**6)], daemon=True).start()
            time.sleep(600)
        if watchman:
            watchman.beat(1, 0, position)
            if not watchman.alive():
                append("unwatched", "entries off")
                watchman.respawn()
                append("watchers", str(watchman.pid))
        time.sleep(0.05)
    if watchman:
        watchman.goodbye()
        watchman.close()
"""

FLATTEN = """
import asyncio, os
from decimal import Decimal
from pathlib import Path
from cab_core.safety.dead_man import FlattenReport

async def flatten(settings):
    desk = settings.db_path.parent
    if (desk / "exchange_down").exists():
        raise ConnectionRefusedError("the exchange is away")
    while (desk / "exchange_slow").exists():
        await asyncio.sleep(0.02)
    with (desk / "sales").open("a") as file:
        file.write("watcher\\n")
    return FlattenReport(("BTC/USDT",), {"BTC/USDT": Decimal("0.5")}, {})
"""


@attrs.define
class Desk:
    """A folder in which a kernel, its watcher and an exchange leave their traces."""

    folder: Path
    kernels: list[subprocess.Popen[bytes]] = attrs.field(factory=list)

    @property
    def database(self) -> Path:
        return self.folder / "trader.sqlite3"

    def command(self, *more: str) -> list[str]:
        return [
            *(sys.executable, "-m", "cab_core.app.dead_man"),
            *("--database", str(self.database), "--lock", str(self.folder / "lock")),
            *("--restart-after", str(T1), "--flatten-after", str(T2), "--recheck", str(RECHECK)),
            *("--flatten", "standin_exchange:flatten", *more),
        ]

    def kernel_command(self, position: int, watched: list[str]) -> list[str]:
        script = str(self.folder / "kernel.py")
        return [sys.executable, script, str(self.folder), str(position), json.dumps(watched)]

    def start(self, *more: str, position: int = 1, watched: bool = True) -> subprocess.Popen[bytes]:
        """Start a kernel and wait until it runs."""
        before = len(self.lines("started"))
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.folder),
            "DB_PATH": str(self.database),
            "LOG_FORMAT": "json",
        }
        with (self.folder / "stderr").open("ab") as stderr:
            process = subprocess.Popen(
                self.kernel_command(position, self.command(*more) if watched else []),
                env=environment,
                stderr=stderr,
                cwd=self.folder,
            )
        self.kernels.append(process)
        self.until(lambda: len(self.lines("started")) > before)
        time.sleep(0.3)  # some beats
        return process

    def lines(self, name: str) -> list[str]:
        with suppress(FileNotFoundError):
            return (self.folder / name).read_text().splitlines()
        return []

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines("stderr")]

    @property
    def sales(self) -> list[str]:
        return self.lines("sales")

    def mark(self, name: str) -> Path:
        (self.folder / name).touch()
        return self.folder / name

    def watcher_runs(self, number: int = -1) -> bool:
        """Say whether a watcher (by default the latest) is alive; one that only waits to be reaped is not."""
        try:
            stat = Path(f"/proc/{self.lines('watchers')[number]}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return False
        return stat.rpartition(")")[2].split()[0] not in "ZX"

    def until(self, holds: Callable[[], object], seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, (self.sales, self.lines("stderr"))
            time.sleep(0.02)

    def until_over(self) -> None:
        self.until(lambda: not self.watcher_runs())

    def clean_up(self) -> None:
        for process in self.kernels:
            process.kill()
            process.wait()
        for pid in {*self.lines("watchers"), *self.lines("started")}:
            with suppress(OSError):
                if str(self.folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(int(pid), signal.SIGKILL)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "kernel.py").write_text(KERNEL)
    (tmp_path / "standin_exchange.py").write_text(FLATTEN)
    desk = Desk(tmp_path)
    yield desk
    desk.clean_up()


def pause(process: subprocess.Popen[bytes]) -> None:
    """Stop a process; not sooner has it stopped than this returns."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)


@pytest.mark.catalogue(167)
def test_a_short_pause_is_nobodys_business(desk: Desk) -> None:
    kernel = desk.start()
    for _ in range(3):
        pause(kernel)
        time.sleep(0.5 * T1)
        kernel.send_signal(signal.SIGCONT)
        time.sleep(0.2)
    desk.mark("price_fell")
    desk.until(lambda: desk.sales)
    time.sleep(2 * T1)
    assert desk.sales == ["kernel"]
    assert kernel.poll() is None
    assert desk.watcher_runs()
    assert desk.lines("stderr") == []


@pytest.mark.catalogue(161, 162)
@pytest.mark.parametrize("seconds", [2 * T1, T2 + 1.5])
def test_dms_triggers_on_freeze(desk: Desk, seconds: float) -> None:
    kernel = desk.start()
    pause(kernel)
    desk.mark("price_fell")  # a kernel that woke up would sell
    time.sleep(seconds)
    kernel.send_signal(signal.SIGCONT)
    assert kernel.wait(10) == -signal.SIGKILL
    desk.until_over()
    time.sleep(0.3)
    assert desk.sales == ["watcher"]
    latch = read_latch(desk.database)
    assert latch is not None
    assert latch.report is not None
    assert (latch.report.symbols, latch.last and latch.last.positions) == (("BTC/USDT",), 1)
    assert "no supervision cycle" in latch.reason
    with instance_lock(desk.folder / "lock", 1), pytest.raises(RefusedError, match="dead man's switch"):
        refuse_if_latched(desk.database)


@pytest.mark.catalogue(162)
def test_a_kernel_that_wakes_before_the_fence_goes_on_alone(desk: Desk) -> None:
    kernel = desk.start()
    pause(kernel)
    desk.mark("price_fell")
    time.sleep(T1 + RECHECK / 2)  # suspected, not yet condemned
    kernel.send_signal(signal.SIGCONT)
    desk.until(lambda: desk.sales)
    time.sleep(T2)
    assert desk.sales in (["kernel"], ["watcher"])  # a busy machine may have let it wake too late


@pytest.mark.catalogue(163)
def test_a_blocked_loop_is_found_although_a_thread_lives(desk: Desk) -> None:
    kernel = desk.start()
    desk.mark("block")
    assert kernel.wait(20) == -signal.SIGKILL
    desk.until_over()
    assert desk.sales == ["watcher"]


@pytest.mark.catalogue(164)
def test_the_kernel_notices_that_nobody_watches_it(desk: Desk) -> None:
    kernel = desk.start()
    os.kill(int(desk.lines("watchers")[0]), signal.SIGKILL)
    desk.until(lambda: desk.lines("unwatched"))
    desk.until(lambda: len(desk.lines("watchers")) == 2)
    time.sleep(1.5 * T1)
    assert desk.watcher_runs()
    kernel.kill()
    kernel.wait()
    desk.until_over()
    assert desk.sales == ["watcher"]  # the second one does its duty


def test_a_killed_kernel_that_nobody_starts_again(desk: Desk) -> None:
    kernel = desk.start()
    kernel.kill()
    kernel.wait()
    desk.until_over()
    assert desk.sales == ["watcher"]


def test_a_killed_kernel_that_held_nothing(desk: Desk) -> None:
    kernel = desk.start(position=0)
    kernel.kill()
    kernel.wait()
    desk.until_over()
    assert desk.sales == []
    assert not latch_file(desk.database).exists()


def test_a_clean_stop_ends_the_watch(desk: Desk) -> None:
    kernel = desk.start()
    kernel.terminate()
    assert kernel.wait(20) == 0
    assert not desk.watcher_runs()
    time.sleep(T2)
    assert desk.sales == []
    assert desk.lines("stderr") == []


def test_signals_to_the_group_do_not_end_the_watch(desk: Desk) -> None:
    desk.start()
    watcher = int(desk.lines("watchers")[0])
    assert os.getpgid(watcher) == os.getsid(watcher) == watcher
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(watcher, number)
    time.sleep(0.5)
    assert desk.watcher_runs()


@pytest.mark.catalogue(119, 122, 167)
def test_a_service_manager_that_restarts_in_time_keeps_the_positions(desk: Desk) -> None:
    kernel = desk.start()
    pause(kernel)
    assert kernel.wait(20) == -signal.SIGKILL
    assert desk.watcher_runs()  # a child that outlives the kernel does not keep its lock
    again = desk.start(position=0)
    desk.until(lambda: not desk.watcher_runs(0))
    time.sleep(T2)
    assert desk.sales == []
    assert again.poll() is None
    assert desk.watcher_runs()


@pytest.mark.catalogue(168)
def test_while_positions_are_closed_no_other_kernel_starts(desk: Desk) -> None:
    slow = desk.mark("exchange_slow")
    kernel = desk.start()
    kernel.kill()
    kernel.wait()
    lock = desk.folder / "lock"
    desk.until(lambda: (holder := living_holder(lock)) is not None and holder.role == "dead_man")
    with pytest.raises(LockedError, match="closing positions") as caught, instance_lock(lock, 1):
        pass
    assert caught.value.exit_code == 75
    slow.unlink()
    desk.until_over()
    with instance_lock(lock, 1), pytest.raises(RefusedError) as refused:
        refuse_if_latched(desk.database)
    assert refused.value.exit_code == 8
    assert desk.sales == ["watcher"]


@pytest.mark.catalogue(166)
def test_an_exchange_that_is_away_is_tried_until_it_is_back(desk: Desk) -> None:
    down = desk.mark("exchange_down")
    kernel = desk.start()
    kernel.kill()
    kernel.wait()
    desk.until(lambda: sum("failed" in line["message"] for line in desk.logged()) >= 2)
    assert all(line["level"] == "critical" for line in desk.logged() if "failed" in line["message"])
    assert desk.sales == []
    assert desk.watcher_runs()
    down.unlink()
    desk.until_over()
    assert desk.sales == ["watcher"]


def test_it_starts_the_kernel_again_if_it_shall(desk: Desk) -> None:
    kernel = desk.start("--restart", json.dumps(desk.kernel_command(0, [])))
    pause(kernel)
    assert kernel.wait(20) == -signal.SIGKILL
    desk.until(lambda: len(desk.lines("started")) == 2)
    desk.until_over()
    time.sleep(0.2)
    holder = living_holder(desk.folder / "lock")
    assert holder is not None
    assert str(holder.pid) == desk.lines("started")[1]
    assert desk.sales == []


def test_a_watcher_is_light(desk: Desk) -> None:
    desk.start()
    status = Path(f"/proc/{desk.lines('watchers')[0]}/status").read_text()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    assert resident < 30 * 1024
