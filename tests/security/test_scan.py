"""The scanners find what they are for, and what is committed has been looked at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from repository import ROOT, run_python

PLANTED = {
    "a key of AWS": "key = 'AKIA" + "Z7Q4M2X9K1B8C3D5'",
    "a token of Telegram": "7192837465:AAHx" + "9Kq2Lm4Nz7Pw0Rt5Vy8Bc3Df6Gh1Jk",
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "a password in an address": "url = 'https://anna:" + "W7rk2pQx@example.org/'",
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_credential_is_found(what: str, tmp_path: Path) -> None:
    planted = tmp_path / "notes.txt"
    planted.write_text(f"{PLANTED[what]}\n")
    code, said = run_python("tools/scan_secrets.py", "check", str(planted))
    assert code == 1, said
    assert "notes.txt:1" in said


def test_the_scanners_are_part_of_what_ci_checks() -> None:
    text = (ROOT / "Makefile").read_text()
    recipes = {
        name: text.partition(f"\n{name}:")[2].partition("\n\n")[0] for name in ("check", "scan", "security")
    }
    assert " scan " in recipes["check"]
    for tool in ("ruff check --select S", "bandit", "scan_secrets.py check", "locks.py check"):
        assert tool in recipes["scan"]
    assert recipes["security"].startswith(" scan ")
    assert "tests/security" in recipes["security"]
    assert "make --no-print-directory --keep-going check" in (ROOT / ".ci/run").read_text()


def test_the_baseline_names_only_files_that_exist() -> None:
    known = json.loads((ROOT / ".secrets.baseline").read_text())
    assert not [name for name in known if not Path(ROOT / name).is_file()]
