"""Times, spans and names as people read them. What is undefined reads n/a."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cab_core.domain.figures import NOT_AVAILABLE
from cab_core.domain.timeframes import HOUR_MS, MINUTE_MS

#: What stands for the figures of a year where they would say nothing.
TOO_FEW = "too few trades to say"
TOO_SHORT = f"{NOT_AVAILABLE}: {TOO_FEW}"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def day(ts_ms: int | None) -> str:
    """Return the UTC day of an instant."""
    return NOT_AVAILABLE if ts_ms is None else f"{_at(ts_ms):%Y-%m-%d}"


def minute(ts_ms: int | None) -> str:
    """Return the UTC minute of an instant."""
    return NOT_AVAILABLE if ts_ms is None else f"{_at(ts_ms):%Y-%m-%d %H:%M}"


def duration(span_ms: float | None) -> str:
    """Return a span like ``3 d 4 h``, ``5 h 30 min`` or ``15 min``."""
    if span_ms is None:
        return NOT_AVAILABLE
    minutes = round(span_ms / MINUTE_MS)
    days, rest = divmod(minutes, 24 * 60)
    hours, rest = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h" if hours and days < 100 else f"{days} d"
    if hours:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{rest} min"


def hours(value: float | None) -> str:
    """Return a span given in hours."""
    return duration(None if value is None else value * HOUR_MS)


def words(name: str) -> str:
    """Return a reason or key of the API as words: ``take_profit_1`` reads ``take profit 1``."""
    return name.replace("_", " ")


def _at(ts_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ts_ms)
