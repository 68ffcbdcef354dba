"""The kernel's side of the watch, with a stand-in for the watching process."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from cab_core.errors import CabError
from cab_core.safety.fence import ProcessHandle
from cab_core.safety.watchman import Watchman

#: Reads like the real one: ends at the end of the pipe.
READER = "import os, sys\nfd = int(sys.argv[sys.argv.index('--beats-fd') + 1])\nwhile os.read(fd, 100): pass"
SLEEPER = "import time; time.sleep(600)"


def spawn(program: str) -> Watchman:
    return Watchman.spawn([sys.executable, "-c", program])


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def wait_until_dead(watchman: Watchman) -> None:
    end = time.monotonic() + 20
    while watchman.alive():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.catalogue(164)
def test_a_watcher_that_dies_is_noticed_and_replaced() -> None:
    watchman = spawn(READER)
    assert watchman.alive()
    first = watchman.pid
    os.kill(first, signal.SIGKILL)
    wait_until_dead(watchman)
    watchman.beat(1, 0, 1)  # harmless
    watchman.respawn()
    watchman.beat(1, 0, 1)
    assert watchman.alive()
    assert watchman.pid != first
    watchman.close()
    assert not watchman.alive()


@pytest.mark.catalogue(164)
def test_a_watcher_that_no_longer_reads_is_noticed_and_replaced() -> None:
    watchman = spawn(SLEEPER)
    stuck = ProcessHandle.of(watchman.pid)
    for positions in range(1000):
        watchman.beat(1, 0, positions)
    assert not watchman.alive()
    watchman.command = [sys.executable, "-c", READER]
    watchman.respawn()
    assert stuck.gone()
    assert watchman.alive()
    watchman.close()
    stuck.close()


def test_after_a_clean_stop_no_watcher_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cab_core.safety.watchman._PATIENCE_S", 0.2)
    for program in (READER, SLEEPER):
        watchman = spawn(program)
        process = ProcessHandle.of(watchman.pid)
        watchman.goodbye()
        watchman.close()
        assert process.gone()
        process.close()


def test_a_watcher_that_cannot_be_started_is_an_error() -> None:
    before = open_files()
    with pytest.raises(CabError, match="cannot be started"):
        Watchman.spawn(["/nowhere/at/all"])
    assert open_files() == before
