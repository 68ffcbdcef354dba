"""Times as people read them on a phone. Figures are written by `cab_core.sdk.figures`."""

from __future__ import annotations

from datetime import UTC, datetime

#: What stands for a time that is not known.
NONE = "–"


def clock(ts_ms: int | None, now_ms: int | None = None) -> str:
    """Return a time in UTC, with its date unless that is today's."""
    if ts_ms is None:
        return NONE
    moment = datetime.fromtimestamp(ts_ms / 1000, UTC)
    today = now_ms is not None and datetime.fromtimestamp(now_ms / 1000, UTC).date() == moment.date()
    return moment.strftime("%H:%M" if today else "%Y-%m-%d %H:%M")


def span(seconds: float) -> str:
    """Return a length of time in its two largest units: ``2 h 5 min``."""
    whole = int(seconds)
    parts = [(whole // 86_400, "d"), (whole // 3_600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")]
    shown = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(shown[:2]) or "0 s"
