"""Timing: CPU seconds, medians, and the CPU and memory of whole processes."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

SPAWN = Path(__file__).with_name("spawn.py")


@attrs.frozen
class Figure:
    """One measured figure: its values, unit and the bound it is held against, if any."""

    name: str
    values: Sequence[float]
    unit: str
    target: float | None = None
    yardsticks: Sequence[float] = ()
    note: str = ""

    @property
    def median(self) -> float:
        """The median of the values."""
        return statistics.median(self.values)


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds (user and system) of one call."""
    before = time.process_time()
    work()
    return time.process_time() - before


@attrs.frozen
class Process:
    """What one finished process used."""

    cpu_s: float
    rss_mib: float
    output: str


def run_process(command: Sequence[str], cwd: Path, env: dict[str, str] | None = None) -> Process:
    """Run a command to its end and return what it used.

    Raises:
        RuntimeError: it failed; the text holds its error output.
    """
    out, err = cwd / "out", cwd / "err"
    told = subprocess.run(
        [sys.executable, "-S", "-E", str(SPAWN), str(out), str(err), *command],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=True,
    )
    code, cpu_s, rss_mib = json.loads(told.stdout)
    if code:
        raise RuntimeError(f"{' '.join(command)}: exit {code}: {err.read_text()[-2000:]}")
    return Process(cpu_s, rss_mib, out.read_text())


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
