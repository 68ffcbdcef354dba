"""Nothing committed names a machine it was made on, or the registry its packages came from."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from repository import ROOT

#: Written in pieces, so that this file does not find itself.
PRIVATE = re.compile(
    "|".join(
        (
            r"/(?:home|Users)/\w+",
            "/" + r"root/",
            "/" + r"work/",
            "/" + r"opt/",
            "(?:extra-)?index" + r"-url",
            "python" + r"hosted\.org",
            "pypi" + r"\.org",
        )
    )
)


def committed() -> list[Path]:
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("no git checkout: what is committed is not known")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def findings(path: Path) -> list[str]:
    text = path.read_bytes().decode("utf-8", errors="replace")
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for number, line in enumerate(text.splitlines(), 1)
        if PRIVATE.search(line)
    ]


def test_no_machine_and_no_registry_is_named() -> None:
    assert not [finding for path in committed() for finding in findings(path)]


def test_a_lock_file_with_addresses_is_not_committed() -> None:
    assert ROOT / "uv.lock" not in committed()


@pytest.mark.parametrize("text", ["cd /" + "root/bot", "pip install --index" + "-url x"])
def test_the_search_finds_what_it_looks_for(tmp_path: Path, text: str) -> None:
    file = tmp_path / "notes.md"
    file.write_text(f"# Notes\n{text}\n", encoding="utf-8")
    assert findings(file) == [f"notes.md:2: {text}"]
