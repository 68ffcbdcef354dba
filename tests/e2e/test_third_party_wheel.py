"""An outsider's wheel, installed beside the built wheels of cab, is seen and trades."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "third_party_strategy"
NAME = "vol_momentum"


def uv(*args: str, cwd: Path) -> None:
    subprocess.run([sys.executable, "-m", "uv", *args], cwd=cwd, check=True, timeout=600)


def members() -> list[Path]:
    """Return the folders of all distributions of the workspace."""
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]
    found = {folder for pattern in workspace["members"] for folder in ROOT.glob(pattern)}
    return sorted(folder for folder in found if (folder / "pyproject.toml").is_file())


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clean environment with the built wheels of cab and the outsider's in it."""
    root = tmp_path_factory.mktemp("clean")
    wheels = root / "wheels"
    for folder in [*members(), EXAMPLE]:
        uv("build", "--quiet", "--wheel", "--out-dir", str(wheels), str(folder), cwd=root)
    uv("venv", "--quiet", "--python", sys.executable, str(root / "venv"), cwd=root)
    constraints = ROOT / "constraints.txt"
    pins = ["--constraint", str(constraints)] if constraints.exists() else []
    files = [str(wheel) for wheel in sorted(wheels.glob("*.whl"))]
    python = str(root / "venv" / "bin" / "python")
    uv("pip", "install", "--quiet", "--python", python, *pins, *files, cwd=root)
    return root


def cab(clean: Path, *args: str) -> Any:
    """Run the installed command outside of the checkout and return its JSON document."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    run = subprocess.run(
        [str(clean / "venv" / "bin" / "cab"), *args],
        cwd=clean,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout) if "--json" in args else run.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_wheels_are_complete(clean: Path) -> None:
    wheels = {wheel.name.partition("-")[0] for wheel in (clean / "wheels").glob("*.whl")}
    assert len(wheels) == len(members()) + 1
    assert f"cab_strategy_{NAME}" in wheels


@pytest.mark.slow
def test_the_outsider_is_listed_among_the_plugins(clean: Path) -> None:
    listed = cab(clean, "plugins", "list", "--json")
    rows = listed if isinstance(listed, list) else listed["plugins"]
    found = {row["id"]: row for row in rows}
    mine = found[f"strategy:{NAME}"]
    assert mine["dist"] == "cab-strategy-vol-momentum"
    assert mine["version"] == "0.1.0"
    assert mine["origin"] == "third-party"
    assert found["strategy:ema_cross"]["origin"] == "bundled"


@pytest.mark.slow
def test_the_outsider_trades_in_a_backtest(clean: Path) -> None:
    candles = str(clean / "BTC-USDT_15m.csv.gz")
    market = ("--symbol", "BTC/USDT", "--days", "60", "--seed", "7")
    made = cab(clean, "data", "generate", *market, "--out", candles, "--json")
    result = cab(clean, "backtest", "--data", candles, "--strategies", NAME, "--json")
    assert f"strategy:{NAME}" in {plugin["id"] for plugin in result["plugins"]}
    assert result["bars"] == made["bars"] > 5000
    assert result["orders"] > 0
    assert result["trades"] > 0


@pytest.mark.slow
def test_a_new_package_passes_its_tests_beside_the_wheels(clean: Path) -> None:
    document = cab(clean, "new", "strategy", "second_thought", "--json")
    folder, python = clean / document["path"], str(clean / "venv" / "bin" / "python")
    wheels = ["--find-links", str(clean / "wheels")]
    uv("pip", "install", "--quiet", "--python", python, *wheels, "-e", f"{folder}[test]", cwd=clean)
    run = subprocess.run(
        [python, "-m", "pytest", "-q", "-W", "error"],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "skipped" not in run.stdout
