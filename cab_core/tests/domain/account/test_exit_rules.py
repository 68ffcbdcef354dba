"""The settings of protective exits and their cross-field validation (spec 9.1)."""

from __future__ import annotations

from typing import Any

import pytest
from account_stories import D

from cab_core.domain.exit_rules import ExitRules

GOOD: dict[str, Any] = {
    "stop_loss_pct": D("5.0"),
    "trailing_stop_pct": D("3.0"),
    "take_profit_1_pct": D("2.0"),
    "take_profit_2_pct": D("5.0"),
    "fee_pct": D("0.2"),
}


def test_percents_become_fractions() -> None:
    rules = ExitRules.from_percents(**GOOD)
    assert (rules.stop_loss, rules.trailing, rules.tp1, rules.tp2, rules.fee) == (
        D("0.05"),
        D("0.03"),
        D("0.02"),
        D("0.05"),
        D("0.002"),
    )
    assert rules == ExitRules()
    assert rules.warnings() == []


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("stop_loss_pct", "0", "STOP_LOSS_PCT = 0 must be greater than 0 and less than 100"),
        ("stop_loss_pct", "100", "STOP_LOSS_PCT = 100 must be greater than 0 and less than 100"),
        ("trailing_stop_pct", "-1", "TRAILING_STOP_PCT = -1 must be greater than 0 and less than 100"),
        ("take_profit_1_pct", "0", "TAKE_PROFIT_1_PCT = 0 must be greater than 0"),
        ("take_profit_1_pct", "5", "TAKE_PROFIT_1_PCT = 5 must be less than TAKE_PROFIT_2_PCT = 5"),
        ("take_profit_2_pct", "NaN", "TAKE_PROFIT_2_PCT = NaN must be greater than 0"),
        ("fee_pct", "-0.1", "PAPER_FEE_PCT = -0.1 must be at least 0"),
    ],
)
def test_contradictions_name_setting_value_and_rule(name: str, value: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ExitRules.from_percents(**{**GOOD, name: D(value)})


def test_all_problems_are_told_together() -> None:
    with pytest.raises(ValueError, match=r"STOP_LOSS_PCT.*; TAKE_PROFIT_1_PCT"):
        ExitRules.from_percents(**{**GOOD, "stop_loss_pct": D(0), "take_profit_1_pct": D(9)})


def test_a_target_eaten_by_fees_is_warned_about() -> None:
    rules = ExitRules.from_percents(**{**GOOD, "take_profit_1_pct": D("0.5")})
    assert len(rules.warnings()) == 1
    assert "TAKE_PROFIT_1_PCT = 0.5" in rules.warnings()[0]
    assert ExitRules.from_percents(**{**GOOD, "take_profit_1_pct": D("0.51")}).warnings() == []
