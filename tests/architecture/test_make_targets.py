"""Each suite of ``make`` holds the tests that users know it by; a file moved elsewhere must not fall out."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from repository import ROOT

SUITES = {
    "test-risk-all": {
        "test_loss_streak_blocks_all",
        "test_daily_limit_stops_trading",
        "test_max_drawdown_emergency_stop",
        "test_cooldown_delays_next_trade",
        "test_spread_blocks_entry_not_exit",
    },
    "test-idempotency": {
        "test_no_duplicate_orders",
        "test_idempotency_after_restart",
    },
    "test-settlement": {
        "test_an_order_that_does_not_end_is_published_and_told",
        "test_the_rest_of_a_signal_exit_is_told_of_and_tried_again_every_minute",
    },
    "test-reconciliation-suite": {
        "test_position_mismatch_auto_corrected",
        "test_phantom_order_cleanup",
        "test_systematic_mismatch_alerts",
    },
    "test-regime-states": {
        "test_neutral_mode_blocks_entry_allows_exit",
        "test_risk_small_reduces_position_50pct",
        "test_risk_off_blocks_all_entries",
    },
}


def marker_of(target: str) -> str:
    """Return the marker a target runs, from the command that make would start."""
    told = subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True, text=True)
    (marker,) = re.findall(r"-m pytest -m (\w+)", told.stdout)
    return str(marker)


def files_with(names: set[str]) -> list[str]:
    """Return the test files that define one of the names."""
    pattern = re.compile(rf"def ({'|'.join(names)})\(")
    folders = ("cab_core/tests", "cab_plugins", "plugins-risk", "plugins-regime", "tests")
    found = (path for folder in folders for path in (ROOT / folder).rglob("test_*.py"))
    return [str(path) for path in found if pattern.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("target", SUITES)
def test_a_suite_holds_the_tests_it_is_known_by(target: str) -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    command += ["-m", marker_of(target), *files_with(SUITES[target])]
    told = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    missing = {name for name in SUITES[target] if not re.search(rf"::{name}\b", told.stdout)}
    assert not missing, told.stdout + told.stderr
