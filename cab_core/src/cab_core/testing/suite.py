"""The conformance suite of a plugin that has no test file: of one that is installed, or of a path."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import attrs

from cab_core.errors import NotFoundError, PluginError
from cab_core.lifeline import lifeline
from cab_core.plugins.doctor import Finding
from cab_core.plugins.files import ALL_KINDS, load_file
from cab_core.plugins.inventory import PluginRecord
from cab_core.plugins.kinds import GROUPS, Kind, plugin_id

#: Seconds a whole suite may take.
TIMEOUT_S = 300.0

_SUITES = {
    Kind.STRATEGY: "StrategyConformance",
    Kind.RISK: "RiskRuleConformance",
    Kind.MACRO: "MacroSourceConformance",
    Kind.BROKER: "BrokerConformance",
    Kind.NOTIFIER: "NotifierConformance",
}
#: Checks of the kinds that talk to the world: the others need documents or a venue of the author's suite.
_AT_HOME = "entry_point_names_the_plugin or option_bounds_are_enforced or imports_only_what_it_may"
_FILE = """\
import sys
{load}
from cab_core.testing import {suite}


class TestPlugin({suite}):
    plugin = found
{more}"""
#: Runs pytest for as long as whoever asked for the suite is there.
_PYTEST = """
from cab_core.lifeline import end_with_parent
end_with_parent()
import sys, pytest
sys.exit(pytest.main(sys.argv[1:]))
"""
#: The kernel's windows hold at least so many bars, so the memory of an average may reach as far.
_SETTLED = "    settling_bars = 500\n"


@attrs.frozen
class Target:
    """A plugin to run the suite of its kind on.

    Attributes:
        load: lines of Python that give its class the name ``found``.
    """

    id: str
    kind: Kind
    load: str


def installed(record: PluginRecord) -> Target:
    """Return an installed plugin as a target."""
    return Target(record.id, record.kind, _import(record.target))


def targets(path: str) -> list[Target]:
    """Return the plugins of a file (``my.py`` or ``my.py:Mine``) or of a package's folder.

    Raises:
        CabError: there is no such path, it cannot be imported, or it does not say which plugin is meant.
    """
    place = Path(path)
    if place.is_dir():
        return _of_folder(place.resolve())
    if not place.exists() and ".py" not in path:
        raise NotFoundError(
            "there is no such file or folder", where=path, fix="give my.py or a package's folder"
        )
    with redirect_stdout(sys.stderr):  # a plugin that prints must not spoil the answer
        record, _ = load_file(path, ALL_KINDS)
    load = (
        "from cab_core.plugins.files import ALL_KINDS, load_file\n"
        f"_, found = load_file({record.target!r}, ALL_KINDS)"
    )
    return [Target(record.id, record.kind, load)]


def _of_folder(folder: Path) -> list[Target]:
    fix = "write a package with: cab new, or give the path of a .py file"
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError("the folder has no pyproject.toml", where=str(folder), fix=fix) from None
    except tomllib.TOMLDecodeError as error:
        raise PluginError(f"pyproject.toml cannot be read: {error}", where=str(folder), fix=fix) from None
    offered: Mapping[str, Any] = project.get("project", {}).get("entry-points", {})
    source = folder / "src" if (folder / "src").is_dir() else folder
    found = [
        Target(plugin_id(kind, name), kind, f"sys.path.insert(0, {str(source)!r})\n{_import(value)}")
        for kind, group in GROUPS.items()
        for name, value in offered.get(group, {}).items()
    ]
    if not found:
        groups = ", ".join(GROUPS.values())
        raise PluginError(f"its pyproject.toml offers no plugin in {groups}", where=str(folder), fix=fix)
    return found


def _import(value: str) -> str:
    module, _, name = value.partition(":")
    return f"from {module} import {name} as found"


def run_suite(target: Target, *, timeout_s: float = TIMEOUT_S) -> list[Finding]:
    """Run the suite in a process of its own; one finding per check.

    Raises:
        PluginError: what the suite itself needs is not installed.
    """
    if find_spec("pytest") is None or find_spec("hypothesis") is None:
        raise PluginError(
            "the conformance suite needs pytest and hypothesis", fix="pip install 'cab-core[testing]'"
        )
    with tempfile.TemporaryDirectory(prefix="cab-check-") as name:
        folder = Path(name)
        more = _SETTLED if target.kind is Kind.STRATEGY else ""
        file = folder / "test_conformance.py"
        file.write_text(_FILE.format(load=target.load, suite=_SUITES[target.kind], more=more))
        (folder / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
        return _run(target, folder, timeout_s)


def _run(target: Target, folder: Path, timeout_s: float) -> list[Finding]:
    report = folder / "report.xml"
    command = [sys.executable, "-P", "-c", _PYTEST, "-q", "-p", "no:cacheprovider", "--tb=line"]
    command += ["-p", "cab_core.testing.plugin", f"--junitxml={report}", "test_conformance.py"]
    if target.kind not in (Kind.STRATEGY, Kind.RISK):
        command += ["-k", _AT_HOME]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    try:
        with lifeline() as stdin:
            done = subprocess.run(  # noqa: S603 - our own interpreter, on a file written above
                command,
                cwd=folder,
                env=environment,
                stdin=stdin,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
    except subprocess.TimeoutExpired:
        return [
            Finding(target.id, "conformance", ok=False, detail=f"did not come back within {timeout_s:g} s")
        ]
    if not report.exists():
        last = (done.stderr.strip().splitlines() or done.stdout.strip().splitlines() or ["no output"])[-1]
        return [Finding(target.id, "conformance", ok=False, detail=last)]
    cases = ET.parse(report).getroot().iter("testcase")  # nosec B314 # noqa: S314 - written by pytest just now
    return [_finding(target.id, case) for case in cases]


def _finding(plugin: str, case: ET.Element) -> Finding:
    check = (case.get("name") or "import").removeprefix("test_")
    for kind in ("failure", "error"):
        found = case.find(kind)
        if found is not None:
            text = found.text if kind == "error" else found.get("message")
            lines = [line.strip() for line in (text or "").strip().splitlines() if line.strip()]
            shown = lines[-1:] if kind == "error" else lines
            return Finding(plugin, check, ok=False, detail="; ".join(shown).removeprefix("Failed: "))
    skipped = case.find("skipped")
    return Finding(plugin, check, ok=True, detail="" if skipped is None else skipped.get("message") or "")
