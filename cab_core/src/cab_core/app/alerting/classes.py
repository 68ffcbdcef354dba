"""Which events are worth an alert, and of which class (spec 16.4)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from cab_core.app.alerting.wording import line
from cab_core.domain.alerts import Alert, Severity

#: Each of these is news of its own: two of them are never folded into one.
_DISTINCT = frozenset({"position.opened", "position.closed"})

_SEVERITIES: Mapping[str, Severity] = {
    "emergency.stop": Severity.CRITICAL,
    "plugin.quarantined": Severity.IMPORTANT,
    "trade.settlement.timeout": Severity.IMPORTANT,
    "risk.warning": Severity.IMPORTANT,
    "orchestrator.state": Severity.INFO,
    "regime.changed": Severity.INFO,
    "risk.blocked": Severity.INFO,
    "risk.released": Severity.INFO,
    "position.opened": Severity.INFO,
    "position.closed": Severity.INFO,
}


@attrs.frozen(slots=True)
class Notice:
    """An alert on its way into the queues.

    Attributes:
        amount: what a digest adds up, e.g. the profit of a round trip.
        distinct: it is news of its own, never folded into another one.
    """

    alert: Alert
    amount: Decimal | None = None
    distinct: bool = False


def notice_of(topic: str, payload: Mapping[str, Any], trace_id: str, now_ms: int) -> Notice | None:
    """Return the notice an event is worth, None for events of the daily round."""
    alert = alert_of(topic, payload, trace_id, now_ms)
    if alert is None:
        return None
    return Notice(alert, amount=payload.get("pnl"), distinct=topic in _DISTINCT)


def alert_of(topic: str, payload: Mapping[str, Any], trace_id: str, now_ms: int) -> Alert | None:
    """Return the alert an event is worth, None for events of the daily round."""
    if topic == "alert":
        return Alert(
            Severity(payload["severity"]),
            payload["kind"],
            payload["text"],
            trace_id,
            payload["symbol"],
            payload["rule"],
            now_ms,
        )
    severity = _SEVERITIES.get(topic)
    if severity is None:
        return None
    symbol, rule = str(payload.get("symbol", "")), str(payload.get("rule", payload.get("plugin", "")))
    return Alert(severity, topic, line(topic, payload), trace_id, symbol, rule, now_ms)
