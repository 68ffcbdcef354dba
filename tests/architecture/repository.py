"""Where things are in the repository, for the tests that look at the code itself."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = next(up for up in Path(__file__).resolve().parents if (up / "constraints.txt").is_file())
KERNEL = ROOT / "cab_core/src/cab_core"
SOURCE_FOLDERS = sorted(
    folder
    for glob in ("cab_core/src", "cab_plugins/src", "cab_plugins/*/*/src", "plugins-*/*/src")
    for folder in ROOT.glob(glob)
)
SOURCES = sorted(file for folder in SOURCE_FOLDERS for file in folder.rglob("*.py"))


def name_of(path: Path) -> str:
    """Return a source's path below its ``src``, e.g. ``cab_core/domain/risk.py``."""
    parts = path.parts
    return "/".join(parts[parts.index("src") + 1 :])


def parsed(paths: Iterable[Path]) -> Iterator[tuple[Path, ast.Module]]:
    """Parse each file."""
    for path in paths:
        yield path, ast.parse(path.read_text(encoding="utf-8"), str(path))


def copied_sources(target: Path) -> dict[str, str]:
    """Copy every source and the import contracts; return the environment in which Python finds the copies."""
    copies = []
    for folder in SOURCE_FOLDERS:
        copy = target / folder.relative_to(ROOT)
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("__pycache__"))
        copies.append(str(copy))
    shutil.copy(ROOT / ".importlinter", target)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(copies)}


def run_python(*args: str, cwd: Path = ROOT, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run this Python in a child; return its exit code and all it printed."""
    done = subprocess.run(
        [sys.executable, *args],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr
