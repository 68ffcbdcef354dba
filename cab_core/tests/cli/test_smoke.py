from __future__ import annotations

import json
from pathlib import Path

import pytest

from cab_core.cli import invoke

CHECKS = ["exchange connection (paper)", "DB initialisation", "full cycle signal -> risk -> mock order"]


def test_three_lines_say_ok_and_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert invoke(["smoke"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:4] for line in lines[:3]] == ["ok  "] * 3
    assert [line[6:].partition(":")[0] for line in lines[:3]] == CHECKS
    assert "3 of 3" in lines[3]
    assert list(tmp_path.iterdir()) == []


def test_json_holds_the_checks(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["smoke", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True
    assert [check["name"] for check in told["checks"]] == CHECKS
    assert "protected, journal verified" in told["checks"][2]["detail"]


def test_the_users_settings_do_not_matter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cab.toml").write_text("this is no toml")
    monkeypatch.setenv("STRATEGY_SET", "nothing_like_it")
    assert invoke(["smoke"]) == 0
    assert "FAIL" not in capsys.readouterr().out


def test_a_check_that_fails_says_why_and_the_exit_code_is_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cab_core.plugins.registry.take_inventory", list)  # nothing is installed
    assert invoke(["smoke"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("FAIL  exchange connection (paper): ")
    assert "broker:paper" in lines[0]
    assert lines[1].startswith("ok")
    assert lines[2].startswith("FAIL")
