"""The README does what it says: its blocks marked ``sh run`` are run in order, in one empty folder.

A block marked ``ini`` is the file ``.env`` from there on.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?ms)^```(sh run|ini)\n(.*?)^```$", README)
CONFIGS = sorted((ROOT / "examples/configs").glob("*.toml"))


def shell(commands: str, cwd: Path) -> str:
    """Run commands as a user with the environment on the path would; return what they printed."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        ["sh", "-e"],
        input=commands,
        cwd=cwd,
        env={"PATH": path, "HOME": str(cwd), "LANG": "C.UTF-8", "INSTANCE_LOCK_PATH": str(cwd / "lock")},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Folder and output after all blocks have run."""
    folder = tmp_path_factory.mktemp("reader")
    printed = ""
    for kind, block in BLOCKS:
        if kind == "ini":
            (folder / ".env").write_text(block, encoding="utf-8")
        else:
            printed += shell(block, folder)
    return folder, printed


def test_the_blocks_run_and_leave_what_they_promise(told: tuple[Path, str]) -> None:
    folder, printed = told
    assert len(BLOCKS) >= 8
    assert "Final equity" in printed
    assert "the recording ended" in printed
    assert "stop_loss" in printed
    assert "strategy:vwap_reversion" in printed
    for name in ("btc.html", "signals.csv", "why.json", "my_idea.py", "bot/cab.toml", "bot/.env"):
        assert (folder / name).stat().st_size > 0, name


def test_the_signals_are_one_row_per_bar_and_strategy(told: tuple[Path, str]) -> None:
    folder, _ = told
    head, *rows = (folder / "signals.csv").read_text(encoding="utf-8").splitlines()
    assert head == "bar,ts_ms,strategy,action,confidence,reason"
    assert {row.split(",")[2] for row in rows} == {"ema_cross", "supertrend"}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.name)
def test_an_example_configuration_is_accepted(tmp_path: Path, config: Path) -> None:
    shell(f"cab config check --config '{config}'", tmp_path)


def test_every_make_target_the_docs_name_exists() -> None:
    targets = set(re.findall(r"(?m)^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8")))
    named: set[str] = set()
    for page in (
        "README.md",
        "CONTRIBUTING.md",
        "docs/explanation/testing.md",
        "docs/explanation/architecture.md",
    ):
        text = (ROOT / page).read_text(encoding="utf-8")
        for words in re.findall(r"(?m)(?:^|`)make ((?:[a-z][a-z-]* ?)+)", text):
            named.update(words.split())
    assert {"demo", "test", "check"} <= named
    assert named <= targets


def test_every_heading_of_the_contents_exists() -> None:
    headings = {
        re.sub(r"[^\w -]", "", line[3:]).lower().replace(" ", "-")
        for line in README.splitlines()
        if line.startswith("## ")
    }
    anchors = set(re.findall(r"\]\(#([\w-]+)\)", README))
    assert anchors == headings
