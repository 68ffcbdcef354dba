from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cab_core.errors import LockedError, StorageError
from cab_core.safety.instance_lock import instance_lock, read_holder

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


def test_instance_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = holding(path)
    try:
        with pytest.raises(LockedError, match="Instance already running") as caught, instance_lock(path, 1):
            pass
        assert caught.value.exit_code == 75
        assert str(process.pid) in caught.value.what
        sidecar = json.loads((tmp_path / "lock.json").read_text())
        assert (sidecar["pid"], sidecar["started_ms"]) == (process.pid, 1_700_000_000_000)
        assert sidecar["host"]
    finally:
        end(process)


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


@pytest.mark.parametrize("junk", ["", "[]", '{"pid": 1}', "\x00"])
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
