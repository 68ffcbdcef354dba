"""Alerts as messages: severity, symbol, what happened, and the trace that explains it."""

from __future__ import annotations

from cab_core.sdk import Alert, Severity
from cab_notifier_telegram.html import bold, code, escape
from cab_notifier_telegram.replies import Reply, row, view

_ICONS = {Severity.CRITICAL: "🔴", Severity.IMPORTANT: "🟠", Severity.INFO: "🔵"}
#: Events with a sign of their own.
_KINDS = {"position.opened": "🟢", "position.closed": "🏁", "risk.blocked": "⛔", "regime.changed": "🧭"}


def reply_to(alert: Alert, *, buttons: bool = True) -> Reply:
    """Return the message of an alert, with buttons where somebody may press them."""
    icon = _ICONS[alert.severity]
    if alert.severity is Severity.INFO:
        icon = _KINDS.get(alert.kind, icon)
    head = f"{icon} {bold('CRITICAL')} " if alert.severity is Severity.CRITICAL else f"{icon} "
    symbol = f"{bold(alert.symbol)} " if alert.symbol and alert.symbol not in alert.text else ""
    lines = [f"{head}{symbol}{escape(alert.text)}"]
    traced = alert.trace_id not in ("", "-")
    if traced:
        lines.append(f"trace {code(alert.trace_id)}")
    shown = [view("❓ Why", "trace", alert.trace_id)] if traced and alert.symbol else []
    shown += [view("📈 Chart", "chart", alert.symbol)] if alert.symbol else []
    shown += [view("⏸ Pause", "pause", alert.symbol)] if alert.severity is Severity.CRITICAL else []
    return Reply("\n".join(lines), rows=[row(*shown)] if buttons and shown else ())
