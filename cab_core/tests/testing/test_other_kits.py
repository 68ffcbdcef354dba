"""The kits of rules, sources, notifiers and brokers reject each planted fault by the check made for it."""

from __future__ import annotations

from pathlib import Path

import planted_others as planted
import pytest
from verdicts import Verdict, verdicts

TABLES = [planted.RULES, planted.SOURCES, planted.NOTIFIERS]
SOUND = ["TestEquityFloor", "TestIndex", "TestBell"]
if planted.PAPER:  # the core's own tests also run where no broker is installed
    TABLES.append(planted.BROKERS)
    SOUND.append("TestWithVenue")
FAULTS = {f"Test{fault.__name__}": check for table in TABLES for fault, check in table.items()}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    checks = [f"{suite}::{check}" for suite, check in FAULTS.items()]
    folder = tmp_path_factory.mktemp("planted")
    return verdicts(Path(planted.__file__), folder, [*SOUND, *checks])


@pytest.mark.parametrize(("suite", "check"), FAULTS.items())
def test_planted_fault_is_rejected_by_its_check(suite: str, check: str, found: dict[str, Verdict]) -> None:
    verdict = found[f"{suite}::{check}"]
    assert verdict.outcome == "failed", verdict


@pytest.mark.parametrize("suite", SOUND)
def test_sound_plugins_pass_every_check(suite: str, found: dict[str, Verdict]) -> None:
    mine = {check: verdict for check, verdict in found.items() if check.startswith(f"{suite}::")}
    assert len(mine) >= 10
    bad = {check: verdict for check, verdict in mine.items() if verdict.outcome in ("failed", "error")}
    assert not bad
    skipped = [check.partition("::")[2] for check, verdict in mine.items() if verdict.outcome == "skipped"]
    assert skipped == ["test_entry_point_names_the_plugin"]


def test_rejections_name_the_cause(found: dict[str, Verdict]) -> None:
    assert "the rule used time.time" in found["TestAsksTheClock::test_needs_nothing_from_outside"].text
    assert "http.get_json()" in found["TestAsksTwice::test_asks_once"].text
    assert "the value of token is shown" in found["TestLogsItsToken::test_secrets_are_not_in_the_output"].text


@pytest.mark.skipif(not planted.PAPER, reason="cab-broker-paper is not installed")
def test_a_double_order_is_named(found: dict[str, Verdict]) -> None:
    verdict = found["TestForgetsIds::test_client_ids_are_idempotent"]
    assert "sending an intent twice bought twice" in verdict.text
