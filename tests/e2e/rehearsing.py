"""Running ``cab rehearse`` as a user does, and looking at what it leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs

from cab_core.storage import journal_rows, visit

_CAB = "from cab_core.cli import main; main()"


@attrs.define
class Rehearsal:
    """A started rehearsal; ``folder`` is its own."""

    process: subprocess.Popen[str]
    folder: Path

    def finished(self) -> tuple[int, dict[str, Any], str]:
        """Wait for the end; return exit code, report and what was said meanwhile."""
        out, err = self.process.communicate(timeout=280)
        return self.process.returncode, json.loads(out or "{}"), err

    def brief(self) -> dict[str, Any]:
        """Return what the processes were told, once they were."""
        path = self.folder / "rehearsal.json"
        until(lambda: path.exists() and path.read_text().endswith("}"))
        return json.loads(path.read_text())

    def processes(self) -> set[int]:
        """Return the ids of all its living processes, the supervisor included."""
        return {self.process.pid, *_descendants(self.process.pid)}


def start(tmp_path: Path, *options: str) -> Rehearsal:
    """Start ``cab rehearse`` in an empty home."""
    home, folder = tmp_path / "home", tmp_path / "rehearsal"
    home.mkdir()
    command = [
        sys.executable,
        "-c",
        _CAB,
        "rehearse",
        "--folder",
        str(folder),
        "--headless",
        "--json",
        *options,
    ]
    process = subprocess.Popen(
        command,
        cwd=home,
        env={**os.environ, "INSTANCE_LOCK_PATH": str(tmp_path / "lock")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    return Rehearsal(process, folder)


def cab(home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run another command of ``cab``."""
    return subprocess.run(
        [sys.executable, "-c", _CAB, *args], cwd=home, capture_output=True, text=True, timeout=120
    )


def ledger(folder: Path) -> list[dict[str, Any]]:
    """Return what really happened at the exchange."""
    return json.loads((folder / "ledger.json").read_text())["entries"]


def journal(where: str | Path, kind: str) -> list[tuple[str, int]]:
    """Return client id or symbol, and number of the start, of each row of a kind in a database."""
    rows = visit(where, lambda conn: [*journal_rows(conn)])
    return [(row.ref, row.epoch) for row in rows if row.kind == kind]


def until(holds: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Say whether a process runs; one that only waits to be reaped does not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def _descendants(pid: int) -> set[int]:
    found: set[int] = set()
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found |= {child} | _descendants(child)
    return found
