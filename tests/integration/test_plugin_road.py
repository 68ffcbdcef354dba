"""Real wheels of third parties, built and unpacked as an installer does, beside the bundled plugins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

PYPROJECT = """
[build-system]
requires = ["uv_build>=0.9,<0.14"]
build-backend = "uv_build"

[project]
name = "{dist}"
version = "1.2.3"
description = "Written by somebody else"
requires-python = ">=3.11"
dependencies = ["cab-core>=0.1,<0.2"]

[project.entry-points."cab.strategies"]
{name} = "{module}:Idea"

[project.entry-points."cab.risk_rules"]
{name}_limit = "{module}:Limit"
"""

SOURCE = """
\"\"\"Somebody else's idea.\"\"\"

import numpy as np

from cab_core.sdk import ALLOW, RiskRule, Signals, Strategy, Verdict, VerdictKind, hookimpl, option, plugin


@plugin
class Idea(Strategy):
    \"\"\"Buys after a number of rising closes.\"\"\"

    rises: int = option(2, help="Rising closes in a row.", ge=1, le=9)

    def warmup_bars(self):
        return self.rises + 1

    @hookimpl
    def signals(self, bars):
        {failure}
        rose = np.diff(bars.close, prepend=bars.close[:1]) > 0
        run = np.ones(len(bars), bool)
        for back in range(self.rises):
            run &= np.concatenate((np.zeros(min(back, len(bars)), bool), rose[: len(bars) - back]))
        action = run.astype(np.int8)
        return Signals(action, 0.7 * action, action.astype(np.int16), ("waiting", "rising"))


@plugin
class Limit(RiskRule):
    \"\"\"Blocks everything.\"\"\"

    @hookimpl
    def check(self, entry, book):
        return Verdict(VerdictKind.DELAY, 0.0, "never")
"""

RUN = """
import json
from cab_core.plugins.kinds import Kind
from cab_core.plugins.registry import load_plugins
from cab_core.plugins.smoke import sample_bars
from cab_core.plugins.strategies import StrategyPanel

plugins = load_plugins(
    {Kind.STRATEGY: ["ema_cross", "acme_idea", "acme_hang", "rsi_momentum"]},
    {Kind.STRATEGY: {"acme_idea": {"RISES": "3"}}},
)
panel = StrategyPanel.of(plugins.strategies, "BTC/USDT", budget_s=0.2)
blocks = panel.block(sample_bars(600), 500)
print(json.dumps({
    "names": [s.name for s in plugins.strategies],
    "rules": [r.name for r in plugins.rules],
    "reasons": [sorted({b.row(k).reason for k in range(len(b))}) for b in blocks],
    "versions": plugins.report.versions(),
}))
"""


def wheel(folder: Path, dist: str, name: str, failure: str = "pass") -> Path:
    """Build a wheel of a third party's package."""
    module = dist.replace("-", "_")
    package = folder / dist / "src" / module
    package.mkdir(parents=True)
    (folder / dist / "pyproject.toml").write_text(PYPROJECT.format(dist=dist, name=name, module=module))
    (package / "__init__.py").write_text(textwrap.dedent(SOURCE).replace("{failure}", failure))
    command = [sys.executable, "-m", "uv", "build", "--wheel", "--offline", "--no-build-isolation", "-q"]
    command += ["--python", sys.executable, "--out-dir", str(folder), str(folder / dist)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(folder.glob(f"{module}-*.whl"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good and a hanging package of a third party."""
    folder = tmp_path_factory.mktemp("wheels")
    installed = folder / "site"
    for dist, name, failure in (
        ("acme-idea", "acme_idea", "pass"),
        ("acme-hang", "acme_hang", "while True: pass"),
    ):
        with zipfile.ZipFile(wheel(folder, dist, name, failure)) as archive:
            archive.extractall(installed)
    return installed


def run(site: Path, *args: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(site), "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, *args], capture_output=True, text=True, check=False, env=environment
    )


def cab(site: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return run(
        site, "-c", "import sys; from cab_core.cli import invoke; sys.exit(invoke(sys.argv[1:]))", *args
    )


def test_a_wheel_of_somebody_else_adds_plugins_without_a_change_to_the_kernel(site: Path):
    rows = json.loads(cab(site, "plugins", "list", "--json").stdout)["plugins"]
    mine = [row for row in rows if row["dist"] == "acme-idea"]
    assert [(row["id"], row["version"], row["origin"], row["status"]) for row in mine] == [
        ("strategy:acme_idea", "1.2.3", "third-party", "available"),
        ("risk:acme_idea_limit", "1.2.3", "third-party", "available"),
    ]


@pytest.mark.catalogue(94)
def test_a_hanging_package_is_quarantined_and_all_others_answer(site: Path):
    done = run(site, "-c", RUN)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["names"] == ["ema_cross", "acme_idea", "acme_hang", "rsi_momentum"]
    assert answer["rules"][-2:] == ["acme_hang_limit", "acme_idea_limit"]
    _, idea, hang, _ = answer["reasons"]
    assert idea == ["rising", "waiting"]
    assert hang == ["error:PluginQuarantined", "error:PluginTimeout"]
    assert not any("error:" in reason for reasons in answer["reasons"][::3] for reason in reasons)
    assert answer["versions"]["strategy:acme_idea"] == "acme-idea==1.2.3"


def test_the_doctor_tells_the_good_from_the_hanging(site: Path):
    done = cab(site, "plugins", "doctor", "strategy:acme_idea", "strategy:acme_hang", "--json")
    assert done.returncode == 1, done.stderr
    wrong = [row for row in json.loads(done.stdout)["findings"] if not row["ok"]]
    assert [(row["id"], row["check"], row["detail"]) for row in wrong] == [
        ("strategy:acme_hang", "answers", "PluginTimeout")
    ]
