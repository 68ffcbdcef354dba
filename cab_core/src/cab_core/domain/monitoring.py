"""Orders and turnover of the last five minutes, watched and reported (spec 8.6)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import attrs

from cab_core.domain.money import ZERO
from cab_core.domain.orders import Fill
from cab_core.domain.risk import ALLOW, Verdict, VerdictKind
from cab_core.domain.timeframes import MINUTE_MS

ACTIVITY_WINDOW_MS = 5 * MINUTE_MS

#: Name under which `activity_verdict` joins the rules' verdicts: the blocking reason is ``risk_activity_5m``.
ACTIVITY_RULE = "activity_5m"


@attrs.frozen(slots=True)
class ActivityLimits:
    """From how much activity on the operator hears of it.

    Attributes:
        max_orders: orders in five minutes (RISK_MAX_ORDERS_5M).
        max_turnover: quote value of the fills in five minutes (RISK_MAX_TURNOVER_5M_QUOTE).
        enforce: also delay entries (RISK_ENFORCE_5M).
    """

    max_orders: int = 5
    max_turnover: Decimal = Decimal(1000)
    enforce: bool = False


@attrs.frozen(slots=True)
class Activity:
    """Orders of the last five minutes and the quote value of their fills."""

    orders: int
    turnover: Decimal


def recent_activity(order_times_ms: Iterable[int], fills: Iterable[Fill], now_ms: int) -> Activity:
    """Count what happened in the five minutes up to ``now_ms`` (start exclusive)."""
    start = now_ms - ACTIVITY_WINDOW_MS
    orders = sum(start < ts_ms <= now_ms for ts_ms in order_times_ms)
    turnover = sum((abs(fill.value) for fill in fills if start < fill.ts_ms <= now_ms), ZERO)
    return Activity(orders, turnover)


def activity_warnings(activity: Activity, limits: ActivityLimits) -> tuple[str, ...]:
    """Return ``orders_5m`` and ``turnover_5m`` where the activity has reached its limit."""
    reached = {
        "orders_5m": activity.orders >= limits.max_orders,
        "turnover_5m": activity.turnover >= limits.max_turnover,
    }
    return tuple(name for name, is_reached in reached.items() if is_reached)


def activity_verdict(activity: Activity, limits: ActivityLimits) -> Verdict:
    """Judge an entry by the recent activity: a note above a limit, a delay if the limits are enforced."""
    if activity.orders < limits.max_orders and activity.turnover < limits.max_turnover:
        return ALLOW
    warnings = activity_warnings(activity, limits)
    value, threshold = (
        (float(activity.orders), float(limits.max_orders))
        if warnings[0] == "orders_5m"
        else (float(activity.turnover), float(limits.max_turnover))
    )
    if limits.enforce:
        return Verdict(VerdictKind.DELAY, 0.0, warnings[0], value, threshold)
    return Verdict(VerdictKind.NOTE, 1.0, warnings[0], value, threshold)
