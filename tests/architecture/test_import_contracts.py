"""Who may import whom is held by import-linter; a planted violation shows that it looks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from repository import ROOT, copied_sources, run_python

LINT = ("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache")

PLANTED = {
    "the domain reads the database": (
        "cab_core/src/cab_core/domain/sizing.py",
        "from cab_core.storage import schema",
        "cab_core.domain.sizing -> cab_core.storage",
    ),
    "the domain raises a user's error": (
        "cab_core/src/cab_core/domain/sizing.py",
        "from cab_core.errors import CabError",
        "cab_core.domain.sizing -> cab_core.errors",
    ),
    "the cycle reads settings": (
        "cab_core/src/cab_core/cycle/trader.py",
        "from cab_core.settings import load_settings",
        "cab_core.cycle.trader -> cab_core.settings",
    ),
    "the storage calls the cycle": (
        "cab_core/src/cab_core/storage/kv.py",
        "from cab_core.cycle import replay",
        "cab_core.storage.kv -> cab_core.cycle",
    ),
    "a report looks into the cycle": (
        "cab_core/src/cab_core/report/figures.py",
        "from cab_core.cycle.trader import Trader",
        "cab_core.report.figures -> cab_core.cycle.trader",
    ),
    "the cycle speaks SQL": (
        "cab_core/src/cab_core/cycle/trader.py",
        "import sqlalchemy",
        "cab_core.cycle.trader -> sqlalchemy",
    ),
    "the kernel imports a plugin": (
        "cab_core/src/cab_core/app/paper.py",
        "import cab_strategy_ema_cross",
        "cab_core.app.paper -> cab_strategy_ema_cross",
    ),
    "the kernel imports an exchange": (
        "cab_core/src/cab_core/app/paper.py",
        "import ccxt",
        "cab_core.app.paper -> ccxt",
    ),
    "a plugin looks behind the SDK": (
        "plugins-strategies/ema_cross/src/cab_strategy_ema_cross/__init__.py",
        "from cab_core.plugins.host import Host",
        "cab_strategy_ema_cross -> cab_core.plugins.host",
    ),
    "a plugin imports another": (
        "plugins-risk/cooldown/src/cab_risk_cooldown/__init__.py",
        "import cab_risk_daily_loss",
        "cab_risk_cooldown -> cab_risk_daily_loss",
    ),
    "a new room without a place in the layers": (
        "cab_core/src/cab_core/attic.py",
        "",
        "attic",
    ),
}


def test_every_contract_is_kept() -> None:
    code, printed = run_python(*LINT)
    assert code == 0, printed


@pytest.mark.parametrize("violation", PLANTED)
def test_a_planted_violation_is_found(tmp_path: Path, violation: str) -> None:
    file, line, expected = PLANTED[violation]
    environment = copied_sources(tmp_path)
    with (tmp_path / file).open("a", encoding="utf-8") as planted:
        planted.write(f"\n{line}\n")
    code, printed = run_python(*LINT, cwd=tmp_path, env=environment)
    assert code == 1, printed
    assert expected in printed


def test_the_kernel_and_the_plugins_are_those_of_this_checkout() -> None:
    import cab_core

    assert Path(cab_core.__file__).is_relative_to(ROOT), sys.path
