"""Running cab as a person does, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import attrs

CAB = (sys.executable, "-c", "from cab_core.cli import main; main()")
HERE = Path(__file__).parent


@attrs.frozen
class Said:
    """What a command ended with and wrote."""

    code: int
    out: str
    err: str


def cab(folder: Path, *args: str, packages: Path | None = None) -> Said:
    """Run a command to its end, where the packages of one more folder are installed, too."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    if packages is not None:
        environment["PYTHONPATH"] = str(packages)
    done = subprocess.run(
        [*CAB, *args], cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    return Said(done.returncode, done.stdout, done.stderr)
