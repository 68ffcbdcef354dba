"""Times as macro documents write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

#: Statements of the Federal Reserve are released at this time of New York.
STATEMENT_TIME = time(14, 0)
STATEMENT_ZONE = "America/New_York"

#: Numbers below are seconds, from it on milliseconds (seconds reach it in the year 5138).
_MILLISECONDS_FROM = 100_000_000_000
_EARLIEST_MS = 946_684_800_000  # 2000-01-01
_LATEST_MS = 4_102_444_800_000  # 2100-01-01
_DATE_ONLY = re.compile(r"\d{4}-\d{2}-\d{2}")


class PayloadError(ValueError):
    """A macro document, or the pointer into it, cannot be used."""


def instant_ms(raw: Any) -> int:
    """Return epoch milliseconds of a number (seconds or milliseconds) or an ISO text; naive times are UTC.

    Raises:
        PayloadError: it is no time between 2000 and 2100.
    """
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        return _within(raw if abs(raw) >= _MILLISECONDS_FROM else raw * 1000, raw)
    moment = _iso(raw)
    return _within(moment.timestamp() * 1000, raw)


def event_ms(raw: Any) -> int:
    """Return epoch milliseconds of an event; a date without time means 14:00 in New York.

    Raises:
        PayloadError: it is no time between 2000 and 2100.
    """
    if isinstance(raw, str) and _DATE_ONLY.fullmatch(raw.strip()):
        day = _iso(raw).date()
        moment = datetime.combine(day, STATEMENT_TIME, ZoneInfo(STATEMENT_ZONE))
        return _within(moment.timestamp() * 1000, raw)
    return instant_ms(raw)


def _iso(raw: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(raw.strip())
    except (AttributeError, ValueError):
        raise PayloadError(f"a time is needed, not {str(raw)[:40]!r}") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _within(ms: float, raw: Any) -> int:
    if not _EARLIEST_MS <= ms < _LATEST_MS:
        raise PayloadError(f"a time between 2000 and 2100 is needed, not {str(raw)[:40]!r}")
    return int(ms)
