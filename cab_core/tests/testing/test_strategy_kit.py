"""The strategy kit accepts what is sound and rejects each planted fault by the check that is made for it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from verdicts import Verdict, verdicts

HERE = Path(__file__).parent
PLANTED = HERE / "planted_strategies.py"


def mapping(name: str) -> dict[str, str]:
    """Read a table of the planted file without running it."""
    for node in ast.parse(PLANTED.read_text()).body:
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == name:
            assert isinstance(node.value, ast.Dict)
            return {
                getattr(fault, "id", ""): getattr(check, "value", "")
                for fault, check in zip(node.value.keys, node.value.values, strict=True)
            }
    raise AssertionError(f"{name} is not in {PLANTED.name}")


REJECTED = mapping("REJECTED_BY")
SKIPPED = mapping("SKIPPED_BY")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    checks = [f"Test{fault}::{check}" for fault, check in {**REJECTED, **SKIPPED}.items()]
    bent = ["TestBendsACheck::test_standard_checks_are_not_overridden"]
    return verdicts(PLANTED, tmp_path_factory.mktemp("planted"), checks + bent)


@pytest.mark.catalogue(102, 103)
@pytest.mark.parametrize(("fault", "check"), REJECTED.items())
def test_planted_fault_is_rejected_by_its_check(fault: str, check: str, found: dict[str, Verdict]) -> None:
    verdict = found[f"Test{fault}::{check}"]
    assert verdict.outcome == "failed", verdict


def test_rejections_say_how_to_mend(found: dict[str, Verdict]) -> None:
    assert (
        "fix: row k may use rows <= k only" in found["TestLooksOneBarAhead::test_no_lookahead_by_prefix"].text
    )
    assert "time.time was used" not in found["TestReadsTheClock::test_needs_nothing_from_outside"].text
    assert "the strategy used time.time" in found["TestReadsTheClock::test_needs_nothing_from_outside"].text


def test_a_failure_on_drawn_options_shows_them(found: dict[str, Verdict]) -> None:
    text = found["TestBreaksOnSomeOptions::test_every_legal_option_works"].text
    assert "raised when asked about the options {'period': 0}" in text
    assert "options=," not in text


def test_a_strategy_that_never_acts_is_named(found: dict[str, Verdict]) -> None:
    verdict = found["TestNeverActs::test_buys_and_sells_somewhere"]
    assert verdict.outcome == "skipped"
    assert "no buy and no sell" in verdict.text


def test_an_overridden_check_is_refused(found: dict[str, Verdict]) -> None:
    verdict = found["TestBendsACheck::test_standard_checks_are_not_overridden"]
    assert verdict.outcome == "failed"
    assert "overrides the standard check test_is_fast_enough" in verdict.text


def test_the_check_against_overriding_cannot_be_overridden() -> None:
    from cab_core.testing import StrategyConformance

    with pytest.raises(TypeError, match="overrides the check against overriding"):
        type("Bent", (StrategyConformance,), {"test_standard_checks_are_not_overridden": None})


def test_sound_strategies_pass_every_check(tmp_path: Path) -> None:
    found = verdicts(HERE / "good_strategies.py", tmp_path)
    bad = {check: verdict for check, verdict in found.items() if verdict.outcome in ("failed", "error")}
    assert not bad
    assert len(found) >= 80
    skipped = {check.partition("::")[2] for check, verdict in found.items() if verdict.outcome == "skipped"}
    assert skipped == {"test_entry_point_names_the_plugin"}
