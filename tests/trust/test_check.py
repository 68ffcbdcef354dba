"""``cab check`` and ``cab plugins doctor`` run the conformance suite on what has none of its own."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.trust.commands import CAB, HERE, cab
from tests.trust.test_look_ahead import CHEATS


def failed(out: str) -> dict[str, str]:
    """Return the checks that failed, with what they say."""
    return {row["check"]: row["detail"] for row in json.loads(out)["findings"] if not row["ok"]}


@pytest.mark.parametrize("cheat", CHEATS)
def test_a_cheat_in_a_file_is_found(cheat: str, tmp_path: Path) -> None:
    said = cab(tmp_path, "check", f"{HERE / 'cheats.py'}:{cheat}", "--json")
    assert said.code == 1, said.err
    assert failed(said.out)


def test_what_is_found_is_said_with_a_fix(tmp_path: Path) -> None:
    said = cab(tmp_path, "check", f"{HERE / 'cheats.py'}:PeeksOnce")
    assert said.code == 1
    assert "strategy:peeks_once" in said.out
    assert "fix: row k may use rows <= k only" in said.out


def test_installed_ones_pass(tmp_path: Path) -> None:
    """Those of a strategy take minutes; each strategy's own tests run the same suite."""
    said = cab(tmp_path, "plugins", "doctor", "cooldown", "dxy", "log", "paper", "--json")
    assert (said.code, failed(said.out)) == (0, {}), said.err
    checks = {(row["id"], row["check"]) for row in json.loads(said.out)["findings"]}
    assert ("risk:cooldown", "never_raises") in checks
    folder = HERE.parents[1] / "cab_plugins/notifiers/log"
    assert failed(cab(tmp_path, "check", str(folder), "--json").out) == {}


def test_the_doctor_takes_a_path(tmp_path: Path) -> None:
    said = cab(tmp_path, "plugins", "doctor", f"{HERE / 'cheats.py'}:Shifts", "--json")
    assert said.code == 1
    assert "no_lookahead_by_prefix" in failed(said.out)


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("nowhere.py", "there is no file"),
        ("nowhere", "there is no such file or folder"),
        (".", "has no pyproject.toml"),
        (str(HERE / "commands.py"), "holds no plugin"),
        (str(HERE / "cheats.py"), "plugin classes"),
    ],
)
def test_a_path_that_names_no_plugin_is_refused(path: str, what: str, tmp_path: Path) -> None:
    said = cab(tmp_path, "check", path)
    assert said.code in (1, 4)
    assert what in said.err
    assert "fix: " in said.err


HANGS = """
import time
from pathlib import Path

from cab_core.sdk import Strategy, hookimpl, plugin


@plugin
class Hangs(Strategy):
    def warmup_bars(self):
        return 3

    @hookimpl
    def signals(self, bars):
        Path(__file__).with_name("begun").touch()
        while True:
            try:
                time.sleep(0.1)
            except BaseException:
                pass
"""


def test_a_suite_ends_with_whoever_asked_for_it(tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text(HANGS)
    asked = subprocess.Popen(
        [*CAB, "check", "hangs.py"], cwd=tmp_path, start_new_session=True, stderr=subprocess.DEVNULL
    )
    until((tmp_path / "begun").exists)
    time.sleep(0.5)  # in the middle of a question it writes nothing that could fail
    asked.kill()
    asked.wait()
    until(lambda: not members(asked.pid), 10)


def members(session: int) -> list[int]:
    """Return the processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if fields[3] == str(session) and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return found


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
