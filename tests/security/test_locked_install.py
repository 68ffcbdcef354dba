"""What is installed by hash is what was seen when the lock was written, or nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from repository import ROOT, run_python

#: Small, and only Python.
PACKAGE = "iniconfig", "sniffio", "h11", "mdurl"


def entry() -> str:
    """Return the lines of one package of the lock."""
    text = (ROOT / "locks/runtime.txt").read_text()
    for name in PACKAGE:
        found = re.search(rf"(?m)^{name}==.*\\\n(    --hash=.*\n)+", text)
        if found:
            return found[0]
    raise LookupError(PACKAGE)


def install(lines: str, folder: Path) -> subprocess.CompletedProcess[str]:
    requirements = folder / "requirements.txt"
    requirements.write_text(lines)
    command = ["pip", "install", "--require-hashes", "--no-deps", "--target", str(folder / "site")]
    return subprocess.run(
        [str(Path(sys.executable).parent / "uv"), *command, "-r", str(requirements)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_altered_hash_refuses_the_install(tmp_path: Path) -> None:
    whole = entry()
    done = install(whole, tmp_path)
    if done.returncode and "ash" not in done.stderr:
        pytest.skip("packages cannot be fetched here")
    assert done.returncode == 0, done.stderr
    altered = re.sub(r"sha256:[0-9a-f]{8}", "sha256:00000000", whole)
    (tmp_path / "again").mkdir()
    refused = install(altered, tmp_path / "again")
    assert refused.returncode != 0
    assert "hash mismatch" in refused.stderr.lower()
    assert not list((tmp_path / "again").glob("site/*.py"))


def test_a_line_without_a_hash_refuses_the_install(tmp_path: Path) -> None:
    bare = entry().split(" \\")[0]
    refused = install(f"{bare}\n", tmp_path)
    assert refused.returncode != 0
    assert "--hash" in refused.stderr or "require-hashes" in refused.stderr.lower()


def test_the_locks_agree_with_the_pins_and_with_what_is_needed() -> None:
    code, said = run_python("tools/locks.py", "check")
    assert code == 0, said


def test_the_check_of_the_locks_finds_what_it_looks_for() -> None:
    program = (
        "import sys; sys.path.insert(0, 'tools'); import locks\n"
        "text = (locks.FOLDER / 'runtime.txt').read_text()\n"
        "for bad in (text.replace('attrs==', 'attrs==0.0.'), text[text.index('alembic=='):],"
        " locks.HASH.sub('', text)):\n"
        "    print(bool(list(locks.problems('runtime.txt', bad))))\n"
    )
    assert run_python("-c", program) == (0, "True\nTrue\nTrue\n")


def test_no_lock_names_a_registry() -> None:
    for path in (ROOT / "locks").iterdir():
        assert "://" not in path.read_text()
