"""Times on the command line: ISO dates and datetimes, UTC unless they say otherwise."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from cab_core.domain.timeframes import DAY_MS
from cab_core.errors import UsageError

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_EPOCH_MS = re.compile(r"\d{12,14}")


def instant_ms(text: str, option: str) -> int:
    """Return the epoch milliseconds of an ISO date or datetime, or of a number of milliseconds.

    Raises:
        UsageError: the text of ``option`` is no time.
    """
    if _EPOCH_MS.fullmatch(text):
        return int(text)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f"{text!r} is no time", where=option, fix="write 2024-05-31 or 2024-05-31T14:30 (UTC)"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def end_ms(text: str, option: str) -> int:
    """Return when a time is over: a date without a time of day lasts until midnight."""
    return instant_ms(text, option) + (DAY_MS if _DATE.fullmatch(text.strip()) else 0)


def minute(ts_ms: int) -> str:
    """Return a time as people read it, UTC."""
    return f"{datetime.fromtimestamp(ts_ms / 1000, UTC):%Y-%m-%d %H:%M}"


def second(ts_ms: int) -> str:
    """Return a time as people read it, UTC, with seconds."""
    return f"{datetime.fromtimestamp(ts_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
