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
        kind: registered event topic it stems from, e.g. ``risk.blocked``.
        text: one or more lines for a person.
        symbol: ``BASE/QUOTE`` or empty. ``rule`` likewise: the risk rule, or empty.
    """

    severity: Severity
    kind: str
    text: str
    trace_id: str = "-"
    symbol: str = ""
    rule: str = ""
    ts_ms: int = 0
