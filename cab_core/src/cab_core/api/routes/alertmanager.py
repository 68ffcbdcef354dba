"""The webhook of Prometheus' Alertmanager: its alerts become alerts of the bot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from litestar import post
from litestar.params import JSONBody

from cab_core.api.gate import passed
from cab_core.api.problems import ApiError
from cab_core.api.routes.shared import AnyRequest, Given, may
from cab_core.app.desk.commands import Role

#: Alerts of one message, and characters of a text, at most.
_MOST = 100
_LONGEST = 500

_SEVERITY: Mapping[str, str] = {"critical": "critical", "page": "critical", "warning": "important"}


@attrs.frozen(slots=True, kw_only=True)
class PrometheusAlert:
    """One alert: ``status`` is ``firing`` or ``resolved``."""

    status: str
    labels: Mapping[str, str] = attrs.field(factory=dict)
    annotations: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(slots=True, kw_only=True)
class Notification:
    """What Alertmanager sends (version 4); what is not named here is ignored."""

    alerts: Sequence[PrometheusAlert]


@attrs.frozen(slots=True, kw_only=True)
class Taken:
    """How many alerts were handed on."""

    taken: int


@post(
    "/alertmanager",
    status_code=202,
    summary="Webhook of Alertmanager",
    tags=["Commands"],
    **may(Role.OPERATOR, 413, 415),
)
async def alertmanager(service: Given, request: AnyRequest, data: JSONBody[Notification]) -> Taken:
    """Bring the alerts to the bot's notifiers; give Alertmanager a token in ``http_config.authorization``."""
    if len(data.alerts) > _MOST:
        raise ApiError(400, f"{len(data.alerts)} alerts, at most {_MOST} at once", code="validation_failed")
    trace_id = passed(request.scope).trace_id
    for alert in data.alerts:
        service.publish("alert", _payload(alert, service.now_ms()), trace_id)
    return Taken(taken=len(data.alerts))


def _payload(alert: PrometheusAlert, now_ms: int) -> dict[str, Any]:
    name = alert.labels.get("alertname", "alert")
    text = alert.annotations.get("summary") or alert.annotations.get("description") or name
    resolved = alert.status == "resolved"
    severity = _SEVERITY.get(alert.labels.get("severity", ""), "info")
    return {
        "severity": "info" if resolved else severity,
        "kind": "prometheus",
        "text": f"{name} {alert.status}: {text}"[:_LONGEST],
        "symbol": alert.labels.get("symbol", "")[:_LONGEST],
        "rule": name[:_LONGEST],
        "ts_ms": now_ms,
    }


HANDLERS = (alertmanager,)
