"""The programs of Debian that read what the repository ships; what is missing skips a test."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGES = {
    "promtool": "prometheus",
    "prometheus": "prometheus",
    "amtool": "prometheus-alertmanager",
    "prometheus-alertmanager": "prometheus-alertmanager",
}


def need(program: str) -> str:
    """Return the path of a program, or skip."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed (Debian: {PACKAGES[program]})")
    return found


def run(program: str, *args: str | Path, stdin: bytes = b"") -> tuple[int, str]:
    """Run a program and return its exit code and what it printed."""
    done = subprocess.run(
        [need(program), *map(str, args)], input=stdin, capture_output=True, timeout=60, check=False
    )
    return done.returncode, (done.stdout + done.stderr).decode()
