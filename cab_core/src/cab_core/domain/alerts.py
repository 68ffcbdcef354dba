"""Alerts for people."""

from __future__ import annotations

from enum import StrEnum

import attrs


class Severity(StrEnum):
    """Critical goes out at once, important in batches of five minutes, info in an hourly digest."""

    CRITICAL = "critical"
    IMPORTANT = "important"
    INFO = "info"


@attrs.frozen(slots=True)
class Alert:
    """One message to the operator. Texts never contain secrets.

    Attributes:
        kind: registered event topic it stems from, e.g. ``risk.blocked``; or ``batch``, ``digest``,
            ``report.daily``, ``report.weekly``, ``notifier.recovered`` or ``notify.test``.
        text: one or more lines for a person.
        trace_id: of the cycle, order, command or look that caused it; ``-`` where one message carries several
            alerts: then each of its lines ends with its own.
        symbol: ``BASE/QUOTE`` or empty. ``rule`` likewise: the risk rule, or empty.
        ts_ms: when it first happened.
        id: of the message; one that is delivered again, since nobody knows whether it arrived, has the same.
        count: how often it happened since ``ts_ms``; the text says so too.
    """

    severity: Severity
    kind: str
    text: str
    trace_id: str
    symbol: str = ""
    rule: str = ""
    ts_ms: int = 0
    id: str = ""
    count: int = 1
