"""A simulator is worth what it catches: every planted bug is found within forty simulated days."""

from __future__ import annotations

import pytest
from tests.sim.batch import simulated
from tests.sim.checks import kinds_of
from tests.sim.saboteurs import SABOTEURS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SEEDS = range(1, 41)

#: By which invariants each bug may show itself.
SHOWN_BY = {
    "send_before_journal": {"I2"},
    "timeout_means_rejected": {"I7"},
    "not_found_once_means_absent": {"I7"},
    "retry_with_a_new_id": {"I7", "I6", "I5"},
    "no_expiry": {"I7"},
    "fills_not_deduped": {"I3", "I15", "I5", "I13"},
    "any_answer_is_success": {"I7", "I8", "Traceback"},
    "stop_may_fall": {"I10"},
    "tp1_without_breakeven": {"I10"},
}


def test_all_nine_are_there() -> None:
    assert SHOWN_BY.keys() == SABOTEURS.keys() - {"none"}


@pytest.mark.parametrize("name", sorted(SHOWN_BY))
def test_a_planted_bug_is_found(name: str) -> None:
    caught = next((result for result, _ in simulated(SEEDS, 1, name) if result.violations), None)
    assert caught is not None, f"{name} went unnoticed for {len(SEEDS)} days"
    assert kinds_of(caught.violations).keys() & SHOWN_BY[name]
