from decimal import Decimal

import pytest

from cab_core.testing import RiskRuleConformance, book, entry
from cab_risk_daily_loss import DailyLoss

pytestmark = pytest.mark.risk

DAY = 86_400_000


def check(realized, unrealized="0", **changes):
    account = book(realized_today=Decimal(realized), unrealized=Decimal(unrealized))
    return DailyLoss().check(entry(**changes), account)


class TestDailyLoss(RiskRuleConformance):
    plugin = DailyLoss

    @staticmethod
    def monotone(badness):
        return entry(), book(realized_today=Decimal(round(-150 * badness)))


@pytest.mark.parametrize(
    ("realized", "unrealized", "kind"),
    [
        ("0", "0", "allow"),
        ("-79.99", "0", "allow"),
        ("-80", "0", "note"),
        ("-99.99", "0", "note"),
        ("-100", "0", "halt"),
        ("-60", "-40", "halt"),
        ("50", "-149.99", "note"),
        ("50", "-150", "halt"),
        ("-100", "500", "halt"),
        ("500", "0", "allow"),
    ],
)
def test_open_losses_count_and_open_gains_do_not(realized, unrealized, kind):
    assert check(realized, unrealized).kind == kind


@pytest.mark.catalogue(75)
def test_it_holds_until_the_next_midnight_utc():
    now_ms = 20_000 * DAY
    assert check("-120", now_ms=now_ms).until_ms == now_ms + DAY
    assert check("-120", now_ms=now_ms + DAY - 1).until_ms == now_ms + DAY
