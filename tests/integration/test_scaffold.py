"""`cab new` writes packages whose own tests pass unchanged, and overwrites nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cab_core.scaffold.naming import FAMILIES, Names, names_of, suggestion
from cab_core.scaffold.package import package_files

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "third_party_strategy"
#: What an author changes first: the idea, its text and its stories.
IDEA = {"src/cab_strategy_vol_momentum/__init__.py", "tests/test_behaviour.py"}


def cab(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from cab_core.cli import main; main()", *args]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def install(package: Path, target: Path) -> None:
    """Install a package without its dependencies, offline, where PYTHONPATH will find it."""
    options = ["--quiet", "--offline", "--no-deps", "--no-build-isolation", "--target", str(target)]
    command = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "install",
        "--python",
        sys.executable,
        *options,
        str(package),
    ]
    subprocess.run(command, check=True, timeout=120)


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_new_package_passes_its_own_tests_unchanged(kind: str, tmp_path: Path) -> None:
    written = json.loads(cab("new", kind, "fresh_thought", "--json", cwd=tmp_path).stdout)
    folder = tmp_path / written["dist"]
    install(folder, tmp_path / "site")
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-rs",
            "-W",
            "error",
            "-p",
            "no:asyncio",
            "--junitxml=report.xml",
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert "skipped" not in run.stdout
    assert int(re.findall(r"(\d+) passed", run.stdout)[0]) >= 10


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_new_package_is_well_written(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / json.loads(cab("new", kind, "fresh_thought", "--json", cwd=tmp_path).stdout)["dist"]
    for check in (
        ["check", "--select=E,F,I,B,UP", "."],
        ["check", "--select=D1", "--ignore=D107", "src"],
        ["format", "--check", "."],
    ):
        command = [
            sys.executable,
            "-m",
            "ruff",
            *check,
            "--isolated",
            "--no-cache",
            "--config=line-length=110",
        ]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
    for text in (path.read_text() for path in folder.rglob("*") if path.is_file()):
        assert "{{" not in text.replace("${{ matrix.python }}", "")
        assert "TODO" not in text


def test_a_strategy_package_is_small() -> None:
    files = package_files(names_of("strategy", "fresh_thought"))
    lines = {str(path): len(text.splitlines()) for path, text in files.items()}
    assert lines["src/cab_strategy_fresh_thought/__init__.py"] <= 40
    assert lines["tests/test_conformance.py"] <= 8
    assert lines["pyproject.toml"] <= 16
    assert {"src/cab_strategy_fresh_thought/py.typed", "LICENSE", "CHANGELOG.md", "README.md"} <= set(lines)


def test_the_result_names_the_next_three_commands(tmp_path: Path) -> None:
    run = cab("new", "strategy", "fresh_thought", cwd=tmp_path)
    assert run.returncode == 0
    assert run.stdout.splitlines()[-3:] == [
        "  cd cab-strategy-fresh-thought",
        '  pip install -e ".[test]" && pytest',
        "  cab plugins info strategy:fresh_thought",
    ]


def test_json_lists_the_files(tmp_path: Path) -> None:
    document = json.loads(
        cab("new", "risk-rule", "my-limit", "--out", "deep/er", "--json", cwd=tmp_path).stdout
    )
    assert document["id"] == "risk:my_limit"
    assert document["dist"] == "cab-risk-my-limit"
    assert len(document["next"]) == 3
    folder = tmp_path / "deep" / "er" / "cab-risk-my-limit"
    assert sorted(document["files"]) == sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    cab("new", "strategy", "fresh_thought", cwd=tmp_path)
    mine = tmp_path / "cab-strategy-fresh-thought" / "README.md"
    mine.write_text("mine")
    run = cab("new", "strategy", "fresh_thought", cwd=tmp_path)
    assert run.returncode == 8
    assert "cab-strategy-fresh-thought exists" in run.stderr
    assert "fix: choose another name or --out" in run.stderr
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("My Idea!", "cab new strategy my_idea"),
        ("2nd_try", "cab new strategy my_2nd_try"),
        ("BuyLow", "cab new strategy buy_low"),
        ("a__b", "cab new strategy a_b"),
        ("../evil", "cab new strategy evil"),
        ("übung", "cab new strategy bung"),
        ("signals", "cab new strategy my_signals"),
        ("none", "cab new strategy my_none"),
        ("x" * 41, f"cab new strategy {'x' * 40}"),
    ],
)
def test_a_bad_name_is_refused_with_a_suggestion(name: str, fix: str, tmp_path: Path) -> None:
    run = cab("new", "strategy", name, cwd=tmp_path)
    assert run.returncode == 2
    assert fix in run.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "!!!", "My Idea", "9", "a" * 90, "ÄÖÜ", "snake_case", "x_" * 30])
def test_every_suggestion_is_a_good_name(text: str) -> None:
    assert names_of("macro-source", suggestion(text)).name == suggestion(text)


def test_a_name_somebody_else_offers_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("cab_strategy_ema_cross")
    run = cab("new", "strategy", "ema_cross", cwd=tmp_path)
    assert run.returncode == 2
    assert "already offered by cab-strategy-ema-cross" in run.stderr


@pytest.mark.parametrize("kind", ["strategy", "risk-rule"])
def test_a_bare_plugin_is_one_file(kind: str, tmp_path: Path) -> None:
    run = cab("new", kind, "fresh_thought", "--bare", cwd=tmp_path)
    assert run.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["fresh_thought.py"]
    assert "./fresh_thought.py" in run.stdout
    assert cab("new", kind, "fresh_thought", "--bare", cwd=tmp_path).returncode == 8


def test_kinds_that_need_a_package_are_not_written_bare(tmp_path: Path) -> None:
    run = cab("new", "broker", "fresh_thought", "--bare", cwd=tmp_path)
    assert run.returncode == 2
    assert "cab new broker fresh_thought" in run.stderr


def test_writing_takes_less_than_a_second_and_loads_no_kernel(tmp_path: Path) -> None:
    code = (
        "import sys; from cab_core.cli import invoke; "
        "assert invoke(['new', 'strategy', 'fresh_thought']) == 0; "
        "print([n for n in ('numpy', 'sqlalchemy', 'pluggy', 'stevedore') if n in sys.modules])"
    )
    start = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines()[-1] == "[]"
    assert time.perf_counter() - start < 3.0  # under a second on an idle machine


def test_the_example_is_what_cab_new_writes() -> None:
    expected = {
        str(path): text for path, text in package_files(Names(FAMILIES["strategy"], "vol_momentum")).items()
    }
    actual = {
        path.relative_to(EXAMPLE).as_posix(): path.read_text()
        for path in EXAMPLE.rglob("*")
        if path.is_file() and not {"__pycache__", ".pytest_cache", ".hypothesis", "dist"} & set(path.parts)
    }
    assert actual.keys() == expected.keys()
    for path in expected.keys() - IDEA - {"README.md"}:
        assert actual[path] == expected[path], path
    assert _without_the_idea(actual["README.md"]) == _without_the_idea(expected["README.md"])
    for path in (*IDEA, "README.md"):
        assert actual[path] != expected[path], path


def _without_the_idea(readme: str) -> str:
    before, _, rest = readme.partition("## The idea")
    return before + rest[rest.index("## Install") :]
