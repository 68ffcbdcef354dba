from decimal import Decimal

import pytest

from cab_core.domain.monitoring import (
    ACTIVITY_RULE,
    Activity,
    ActivityLimits,
    activity_verdict,
    activity_warnings,
    recent_activity,
)
from cab_core.domain.orders import Fill, Side
from cab_core.domain.risk import ALLOW, Halts, VerdictKind, assess

pytestmark = pytest.mark.risk

NOW = 1_700_000_000_000
WINDOW = 300_000


def fill(ts_ms, quantity="1", side=Side.BUY):
    return Fill("t", "c", "BTC/USDT", side, Decimal(quantity), Decimal(100), Decimal(0), "USDT", ts_ms)


def test_only_the_last_five_minutes_count():
    times = [NOW - WINDOW, NOW - WINDOW + 1, NOW, NOW + 1]
    fills = [fill(ts_ms) for ts_ms in times] + [fill(NOW, "2", Side.SELL)]
    assert recent_activity(times, fills, NOW) == Activity(2, Decimal(400))


def test_limits_are_reached_at_their_value():
    limits = ActivityLimits()
    assert activity_warnings(Activity(4, Decimal("999.99")), limits) == ()
    assert activity_warnings(Activity(5, Decimal(0)), limits) == ("orders_5m",)
    assert activity_warnings(Activity(0, Decimal(1000)), limits) == ("turnover_5m",)
    assert activity_warnings(Activity(9, Decimal(9000)), limits) == ("orders_5m", "turnover_5m")


def test_by_default_activity_is_only_noted():
    busy = Activity(5, Decimal(0))
    verdict = activity_verdict(busy, ActivityLimits())
    assert (verdict.kind, verdict.reason, verdict.value, verdict.threshold) == (
        VerdictKind.NOTE,
        "orders_5m",
        5,
        5,
    )
    assert activity_verdict(Activity(0, Decimal(0)), ActivityLimits()) is ALLOW
    assert assess([(ACTIVITY_RULE, verdict)], Halts(), NOW).blocked is None


def test_enforced_limits_delay_entries():
    verdict = activity_verdict(Activity(0, Decimal(1500)), ActivityLimits(enforce=True))
    assert assess([(ACTIVITY_RULE, verdict)], Halts(), NOW).blocked == "risk_activity_5m"
