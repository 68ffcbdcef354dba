import pytest

from cab_core.sdk import VerdictKind
from cab_core.testing import RiskRuleConformance, book, entry, round_trip
from cab_risk_loss_streak import LossStreak

pytestmark = pytest.mark.risk

DAY = 86_400_000
NOW = entry().now_ms
MIDNIGHT = (NOW // DAY + 1) * DAY


def check(*pnls, count=3, released_ms=None, closed_ms=NOW - 3_600_000):
    trips = tuple(round_trip(pnl, closed_ms=closed_ms + k, symbol=f"S{k}/USDT") for k, pnl in enumerate(pnls))
    released = {} if released_ms is None else {"loss_streak": released_ms, "daily_loss": NOW}
    return LossStreak(count=count).check(entry(), book(round_trips=trips, released_ms=released))


class TestLossStreak(RiskRuleConformance):
    plugin = LossStreak

    @staticmethod
    def monotone(badness):
        trips = tuple(round_trip("-1") for _ in range(round(4 * badness)))
        return entry(), book(round_trips=trips)


@pytest.mark.parametrize(
    ("pnls", "kind"),
    [
        ((), "allow"),
        (("-1",), "allow"),
        (("-1", "-1"), "note"),
        (("-1", "-1", "-1"), "halt"),
        (("5", "-1", "-1", "-1"), "halt"),
        (("-1", "-1", "-1", "0"), "allow"),
        (("-1", "-1", "0", "-1", "-1"), "note"),
        (("-1", "-1", "-1", "0.01"), "allow"),
        (("-1",) * 40, "halt"),
    ],
)
def test_only_an_unbroken_streak_at_the_end_halts(pnls, kind):
    assert check(*pnls).kind == kind


def test_it_holds_until_the_next_midnight_utc():
    verdict = check("-1", "-1", "-1")
    assert (verdict.kind, verdict.until_ms, verdict.value, verdict.threshold) == ("halt", MIDNIGHT, 3, 3)


def test_what_closed_before_the_release_no_longer_counts():
    closed_ms = NOW - 100
    assert check("-1", "-1", "-1", closed_ms=closed_ms, released_ms=closed_ms + 2).kind == "allow"
    assert check("-1", "-1", "-1", closed_ms=closed_ms, released_ms=closed_ms).kind == "note"
    assert check("-1", "-1", "-1", closed_ms=closed_ms, released_ms=closed_ms - 1).kind == "halt"


def test_a_single_loss_can_be_too_many():
    assert check("-1", count=1).kind is VerdictKind.HALT
    assert check(count=1).kind is VerdictKind.ALLOW
