from decimal import Decimal

import pytest

from cab_core.testing import RiskRuleConformance, book, entry
from cab_risk_max_drawdown import MaxDrawdown

pytestmark = pytest.mark.risk


def check(equity, peak="10000", **options):
    return MaxDrawdown(**options).check(entry(), book(equity=Decimal(equity), peak=Decimal(peak)))


class TestMaxDrawdown(RiskRuleConformance):
    plugin = MaxDrawdown

    @staticmethod
    def monotone(badness):
        return entry(), book(equity=Decimal(10_000) - Decimal(round(2_000 * badness)), peak=Decimal(10_000))


@pytest.mark.parametrize(
    ("equity", "kind"),
    [
        ("10000", "allow"),
        ("9200.01", "allow"),
        ("9200", "note"),
        ("9000.01", "note"),
        ("9000", "halt"),
        ("-5", "halt"),
    ],
)
def test_limits_are_reached_at_their_value(equity, kind):
    assert check(equity).kind == kind


def test_only_a_person_ends_it():
    verdict = check("8500")
    assert (verdict.until_ms, verdict.value, verdict.threshold) == (None, 15.0, 10.0)


def test_thirds_do_not_slip_through_the_limit():
    assert check("2", peak="3", max_pct=Decimal(100) / 3).kind == "halt"


def test_an_account_that_never_had_money_has_no_drawdown():
    assert check("0", peak="0").reason == "no_equity"
