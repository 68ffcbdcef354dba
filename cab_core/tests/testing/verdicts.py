"""Running checks of the kit in a pytest of their own and reading what became of each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import attrs


@attrs.frozen
class Verdict:
    """``passed``, ``failed``, ``error`` or ``skipped``, and what pytest said about it."""

    outcome: str
    text: str


def verdicts(file: Path, folder: Path, checks: list[str] | None = None) -> dict[str, Verdict]:
    """Return the verdict per ``Class::test`` of a file, all its checks or the named ones."""
    report = folder / "report.xml"
    nodes = [str(file)] if checks is None else [f"{file}::{check}" for check in checks]
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-c", str(_config(folder)), "--tb=line"]
    command = [sys.executable, "-m", "pytest", *options, f"--junitxml={report}", *nodes]
    run = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    if not report.exists():
        raise RuntimeError(run.stdout + run.stderr)
    cases = ET.parse(report).getroot().iter("testcase")
    return {
        f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}": _verdict(case)
        for case in cases
    }


def _config(folder: Path) -> Path:
    file = folder / "pytest.ini"
    file.write_text("[pytest]\nfilterwarnings = error\naddopts = --import-mode=importlib\n")
    return file


def _verdict(case: ET.Element) -> Verdict:
    for kind, outcome in (("failure", "failed"), ("error", "error"), ("skipped", "skipped")):
        found = case.find(kind)
        if found is not None:
            return Verdict(outcome, f"{found.get('message') or ''} {found.text or ''}")
    return Verdict("passed", "")
