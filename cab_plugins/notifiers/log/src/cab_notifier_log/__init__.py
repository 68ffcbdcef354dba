"""Notifier that writes alerts to the log."""

from __future__ import annotations

import logging

from cab_core.sdk import Alert, Notifier, Severity, hookimpl, plugin

__all__ = ["Log"]

_LEVELS = {
    Severity.CRITICAL: logging.CRITICAL,
    Severity.IMPORTANT: logging.WARNING,
    Severity.INFO: logging.INFO,
}
_LOG = logging.getLogger("cab.alerts")


@plugin
class Log(Notifier):
    """Writes every alert to the logger ``cab.alerts``, one record per alert.

    Critical alerts have level CRITICAL, important ones WARNING, the others INFO. The alert's fields are
    attributes of the record: ``kind``, ``trace_id``, ``symbol``, ``rule`` and ``ts_ms``.
    """

    @hookimpl
    async def notify(self, alert: Alert) -> None:
        """Log one alert."""
        fields = {
            "kind": alert.kind,
            "trace_id": alert.trace_id,
            "symbol": alert.symbol,
            "rule": alert.rule,
            "ts_ms": alert.ts_ms,
        }
        _LOG.log(_LEVELS[alert.severity], "%s: %s", alert.kind, alert.text, extra=fields)
