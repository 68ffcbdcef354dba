from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from cab_core.errors import LockedError, NotRunningError, StorageError
from cab_core.safety.fence import ProcessHandle, fence
from cab_core.safety.instance_lock import (
    DEAD_MAN,
    FileMark,
    instance_lock,
    living_holder,
    read_holder,
    still_mine,
)

_HOLD = """
import sys, time
from pathlib import Path
from cab_core.safety.instance_lock import instance_lock
with instance_lock(Path(sys.argv[1]), 1700000000000):
    print("held", flush=True)
    time.sleep(60)
"""


def holding(path: Path) -> subprocess.Popen[str]:
    """Start another process and wait until it holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", _HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@pytest.mark.catalogue(117)
def test_instance_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = holding(path)
    try:
        with pytest.raises(LockedError, match="Instance already running") as caught, instance_lock(path, 1):
            pass
        assert caught.value.exit_code == 75
        assert f"process {process.pid} on" in caught.value.what
        assert "since 2023-11-14 22:13:20 UTC" in caught.value.what
        sidecar = json.loads((tmp_path / "lock.json").read_text())
        assert (sidecar["pid"], sidecar["started_ms"]) == (process.pid, 1_700_000_000_000)
        assert sidecar["host"]
    finally:
        end(process)


@pytest.mark.catalogue(119)
def test_instance_lock_cleanup_on_crash(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = holding(path)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert (tmp_path / "lock.json").exists()  # nobody cleaned up, and that is no lock
    with instance_lock(path, 2) as me:
        assert me.pid == os.getpid()
        assert read_holder(tmp_path / "lock.json") == me
    assert not (tmp_path / "lock.json").exists()


@pytest.mark.catalogue(121)
def test_a_deleted_lock_file_does_not_let_a_second_instance_in(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = holding(path)
    try:
        path.unlink()
        with pytest.raises(LockedError, match=str(process.pid)), instance_lock(path, 2):
            pass
    finally:
        end(process)
    with instance_lock(path, 3):
        pass


@pytest.mark.catalogue(120)
def test_a_sidecar_of_a_process_that_is_gone_or_reused_is_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = holding(path)
    end(process)
    sidecar = tmp_path / "lock.json"
    content = json.loads(sidecar.read_text())
    # The id now belongs to a process that started at another time: our parent.
    sidecar.write_text(json.dumps({**content, "pid": os.getppid(), "inode": content["inode"] + 1}))
    with instance_lock(path, 2):
        pass


@pytest.mark.parametrize(
    "junk",
    [
        *("", "[]", '{"pid": 1}', "\x00"),
        '{"pid": "1", "host": "x", "started_ms": 1, "born": "", "inode": 1}',
        '{"pid": 1, "host": "x", "started_ms": null, "born": "", "inode": 1}',
    ],
)
def test_a_damaged_sidecar_is_ignored(tmp_path: Path, junk: str) -> None:
    (tmp_path / "lock.json").write_text(junk)
    with instance_lock(tmp_path / "lock", 1):
        pass


def test_the_lock_can_be_taken_again_and_its_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "lock"
    for _ in range(2):
        with instance_lock(path, 1):
            time.sleep(0)


def test_a_place_that_cannot_be_written_is_an_error_with_a_fix(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StorageError, match="instance lock") as caught,
        instance_lock(tmp_path / "file" / "lock", 1),
    ):
        pass
    assert "INSTANCE_LOCK_PATH" in caught.value.fix


@pytest.mark.catalogue(119)
def test_a_killed_holder_that_nobody_has_reaped_is_no_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = holding(path)
    try:
        assert living_holder(path) is not None
        assert fence(ProcessHandle.of(process.pid), 10)  # a zombie from here on
        path.unlink()
        assert living_holder(path) is None
        with instance_lock(path, 2):
            pass
    finally:
        end(process)


@pytest.mark.catalogue(161)
def test_a_stopped_holder_keeps_its_lock_until_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = holding(path)
    try:
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        with pytest.raises(LockedError), instance_lock(path, 2):
            pass
        assert fence(ProcessHandle.of(process.pid), 10)
        with instance_lock(path, 2):
            pass
    finally:
        end(process)


@pytest.mark.catalogue(121)
def test_the_holder_notices_that_its_lock_file_was_deleted(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with instance_lock(path, 1) as me:
        assert still_mine(me)
        path.unlink()
        assert not still_mine(me)
        path.touch()  # a file of the same name guards nothing
        assert not still_mine(me)


@pytest.mark.catalogue(85)
@pytest.mark.parametrize("how", ["deleted", "replaced", "restored"])
def test_the_holder_notices_that_its_database_was(how: str, tmp_path: Path) -> None:
    database = tmp_path / "trader.sqlite3"
    with sqlite_writer(database), instance_lock(tmp_path / "lock", 1) as me:
        mark = FileMark.of(database)
        assert still_mine(me, mark)
        if how == "deleted":
            database.unlink()
        elif how == "replaced":
            database.unlink()
            database.touch()
        else:
            (tmp_path / "backup").write_bytes(b"older")
            (tmp_path / "backup").replace(database)
        assert not still_mine(me, mark)
        assert still_mine(me)


@contextmanager
def sqlite_writer(database: Path) -> Iterator[None]:
    """Keep a database open, as a bot does."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE t (x)")
        yield


@pytest.mark.catalogue(86)
def test_the_check_leaves_the_locks_of_the_database_alone(tmp_path: Path) -> None:
    database = tmp_path / "trader.sqlite3"
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("BEGIN EXCLUSIVE")
        assert FileMark.of(database).unchanged()
        writing = f"import sqlite3; sqlite3.connect({str(database)!r}, timeout=0).execute('BEGIN IMMEDIATE')"
        other = subprocess.run([sys.executable, "-c", writing], capture_output=True, text=True, check=False)
        assert "database is locked" in other.stderr


_PARENT = """
import subprocess, sys, time
from pathlib import Path
from cab_core.safety.instance_lock import instance_lock
with instance_lock(Path(sys.argv[1]), 1):
    program = "import time; print('child', flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", program])
    print(child.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.catalogue(122)
def test_a_child_that_outlives_the_holder_does_not_keep_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, str(path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    said = {parent.stdout.readline().strip() for _ in range(2)}
    child = ProcessHandle.of(int(next(word for word in said if word != "child")))
    try:
        parent.kill()
        parent.wait()
        assert not child.gone()
        with instance_lock(path, 2):
            pass
    finally:
        child.kill()
        child.close()
        parent.communicate()


@pytest.mark.catalogue(120)
def test_a_handle_never_means_another_process() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    handle = ProcessHandle.of(process.pid)
    assert not handle.gone()
    assert not handle.gone(0.01)
    process.kill()
    process.wait()  # from now on the id may be given to another
    assert handle.gone()
    assert handle.kill()  # nobody is hit
    assert fence(handle, 0)
    handle.close()
    with pytest.raises(NotRunningError):
        ProcessHandle.of(process.pid)


@pytest.mark.catalogue(168)
def test_the_dead_mans_switch_says_so_while_it_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with (
        instance_lock(path, 1, DEAD_MAN),
        pytest.raises(LockedError, match="closing positions") as caught,
        instance_lock(path, 2),
    ):
        pass
    assert "cab dms status" in caught.value.fix
