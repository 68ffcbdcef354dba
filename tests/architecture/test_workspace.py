"""The members of the workspace are alike, and the check that says so finds what is not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from repository import ROOT, run_python

DEVIATIONS = {
    "another version": (
        "plugins-strategies/ema_atr/pyproject.toml",
        'version = "0.1.0"',
        'version = "0.0.9"',
        "plugins-strategies/ema_atr: version is '0.0.9'",
    ),
    "a misspelt entry point": (
        "plugins-risk/cooldown/pyproject.toml",
        "cooldown = ",
        "cool_down = ",
        "plugins-risk/cooldown: there must be an entry point cooldown",
    ),
    "another backend": (
        "plugins-regime/dxy/pyproject.toml",
        'build-backend = "uv_build"',
        'build-backend = "hatchling.build"',
        "plugins-regime/dxy: [build-system] differs",
    ),
    "a kernel pinned exactly": (
        "plugins-regime/dxy/pyproject.toml",
        "cab-core>=0.1,<0.2",
        "cab-core==0.1.0",
        "plugins-regime/dxy: the first dependency is not cab-core>=0.1,<0.2",
    ),
    "a README without its options": (
        "plugins-risk/cooldown/README.md",
        "## Options",
        "## Knobs",
        "plugins-risk/cooldown: README.md has not exactly the headings",
    ),
    "a member missing in the requirements": (
        "requirements-workspace.txt",
        "-e ./plugins-regime/dxy\n",
        "",
        "requirements-workspace.txt: is out of date",
    ),
    "a member missing in the bundle": (
        "cab_plugins/pyproject.toml",
        '    "cab-macro-dxy==0.1.0",\n',
        "",
        "cab_plugins/pyproject.toml: is out of date",
    ),
    "a member that coverage does not measure": (
        "pyproject.toml",
        '    "cab_macro_dxy",\n',
        "",
        "pyproject.toml: is out of date",
    ),
    "a pin with an address": (
        "constraints.txt",
        "attrs==",
        "attrs @ file:///somewhere/attrs==",
        "is no plain pin",
    ),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of all that the check reads."""
    skip = shutil.ignore_patterns("__pycache__", ".venv*", ".git", ".*_cache", ".hypothesis", "docs", "dist")
    for name in ("cab_core", "cab_plugins", "plugins-strategies", "plugins-risk", "plugins-regime", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=skip)
    for name in ("pyproject.toml", "requirements-workspace.txt", "constraints.txt", ".importlinter"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_members_agree() -> None:
    code, printed = run_python("tools/workspace.py", "check")
    assert code == 0, printed


@pytest.mark.parametrize("deviation", DEVIATIONS)
def test_a_deviation_is_reported(copy: Path, deviation: str) -> None:
    file, old, new, expected = DEVIATIONS[deviation]
    edit(copy / file, old, new)
    code, printed = run_python("tools/workspace.py", "check", cwd=copy)
    assert code == 1, printed
    assert expected in printed


def test_sync_restores_the_generated_lists(copy: Path) -> None:
    lists = ("a member missing in the requirements", "a member missing in the bundle")
    for deviation in (*lists, "a member that coverage does not measure"):
        file, old, new, _ = DEVIATIONS[deviation]
        edit(copy / file, old, new)
    edit(copy / ".importlinter", "    cab_macro_dxy\n", "")
    assert run_python("tools/workspace.py", "sync", cwd=copy)[0] == 0
    for file in (
        "pyproject.toml",
        "requirements-workspace.txt",
        "cab_plugins/pyproject.toml",
        ".importlinter",
    ):
        assert (copy / file).read_text() == (ROOT / file).read_text()


def test_bump_sets_one_version_everywhere(copy: Path) -> None:
    code, printed = run_python("tools/workspace.py", "bump", "1.4.0", cwd=copy)
    assert code == 0, printed
    code, printed = run_python("tools/workspace.py", "check", cwd=copy)
    assert code == 0, printed
    plugin = (copy / "plugins-strategies/ema_cross/pyproject.toml").read_text()
    assert 'version = "1.4.0"' in plugin
    assert '"cab-core>=1.4,<1.5"' in plugin
    assert '"cab-strategy-ema-cross==1.4.0"' in (copy / "cab_plugins/pyproject.toml").read_text()


@pytest.mark.parametrize("args", [(), ("bump",), ("tidy",), ("check", "all")])
def test_a_wrong_command_prints_the_usage(args: tuple[str, ...]) -> None:
    code, printed = run_python("tools/workspace.py", *args)
    assert code == 2
    assert "bump VERSION" in printed


def test_who_installs_the_workspace_itself_is_told_what_to_install(tmp_path: Path) -> None:
    uv = Path(sys.executable).parent / "uv"
    command = [uv, "build", "--wheel", "--offline", "--python", sys.executable, "--out-dir", tmp_path, ROOT]
    told = subprocess.run(command, check=False, capture_output=True, text=True)
    assert told.returncode != 0
    assert "pip install -r requirements-workspace.txt" in told.stderr
    assert "Traceback" not in told.stderr
