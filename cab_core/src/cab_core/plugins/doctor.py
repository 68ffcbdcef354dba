"""Looking at every installed plugin for faults, each in a process of its own with a time limit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import attrs

from cab_core.plugins.inventory import PluginRecord, Status
from cab_core.plugins.kinds import Kind
from cab_core.plugins.report import missing_rules

TIMEOUT_S = 20.0
_PARALLEL = 2


@attrs.frozen
class Finding:
    """One row of the doctor's report; ``detail`` says what is wrong, or what was seen."""

    id: str
    check: str
    ok: bool
    detail: str = ""


def examine(records: Sequence[PluginRecord], *, timeout_s: float = TIMEOUT_S) -> list[Finding]:
    """Return what was found about the given plugins, in their order, and about rules that are missing."""
    with ThreadPoolExecutor(_PARALLEL) as pool:
        examined = list(pool.map(lambda record: _examine_one(record, timeout_s), records))
    return [finding for findings in examined for finding in findings]


def absent_rules(records: Sequence[PluginRecord]) -> list[Finding]:
    """Return a finding for each built-in risk rule that is not installed."""
    return [Finding(Kind.RISK.value, "installed", ok=False, detail=text) for text in missing_rules(records)]


def _examine_one(record: PluginRecord, timeout_s: float) -> list[Finding]:
    if record.status is not Status.AVAILABLE:
        return [Finding(record.id, record.status.value, ok=False, detail=record.reason)]
    findings = [Finding(record.id, "metadata", ok=True, detail=record.source)]
    if not record.requires:
        detail = f"{record.source} does not say which cab-core it needs: depend on cab-core>=0.1,<0.2"
        findings = [Finding(record.id, "metadata", ok=False, detail=detail)]
    return findings + _probe(record.id, timeout_s)


def _probe(plugin: str, timeout_s: float) -> list[Finding]:
    command = [sys.executable, "-P", "-m", "cab_core.plugins.probe", plugin]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module, the id comes from the inventory
            command, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return [Finding(plugin, "import", ok=False, detail=f"did not come back within {timeout_s:g} s")]
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return [Finding(plugin, "import", ok=False, detail=f"ended with code {done.returncode}: {last}")]
    return [Finding(plugin, row["name"], ok=row["ok"], detail=row["detail"]) for row in json.loads(lines[-1])]
