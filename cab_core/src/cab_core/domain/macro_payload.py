"""What third parties' macro documents say: index levels, changes and event calendars (spec 7.1)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from cab_core.domain.macro import CHANGE_MIN_AGE_MS, Reading, ReadingKind
from cab_core.domain.macro_time import PayloadError, event_ms, instant_ms

__all__ = [
    "PayloadError",
    "check_pointer",
    "events_reading",
    "index_reading",
    "number",
    "own_time_ms",
    "resolve_pointer",
]

_CHANGE_KEYS = ("change_pct", "changePercent", "change_percent")
_PREVIOUS_KEYS = ("previous", "previous_close")
_LEVEL_KEYS = ("value", "close")
_TIME_KEYS = ("ts", "time", "date", "timestamp", "updated_at")


def index_reading(
    document: Any, *, json_pointer: str = "", kind: str = "value", known: Sequence[str] = ()
) -> Reading:
    """Read an index source's document.

    Without a pointer the first form that fits wins: a change in percent, a value with its previous one, a
    list of timed values, a bare value. The object may lie under ``data`` or be the last one of a list.

    Args:
        document: parsed JSON.
        json_pointer: where the number lies (RFC 6901); empty to recognize the form.
        kind: what a number on its own means, ``value`` or ``change``.
        known: pointers of further documents this source is known for, tried before giving up.

    Raises:
        PayloadError: no form fits, or the figure is not a usable number.
    """
    if json_pointer:
        return _plain(number(resolve_pointer(document, json_pointer)), kind, None)
    candidates = list(_candidates(document))
    for form in (_as_change, _as_pair, _as_series):
        for candidate in candidates:
            reading = form(candidate)
            if reading is not None:
                return reading
    for candidate in candidates:
        found = _plain_number(candidate, known)
        if found is not None:
            return _plain(found, kind, own_time_ms(candidate))
    raise PayloadError("the document has no change_pct, value, list of values or number")


def events_reading(document: Any) -> Reading:
    """Read a calendar: a list of events, the next and the last one, or whether there is one today.

    Raises:
        PayloadError: no form fits, or an event has no readable time.
    """
    if isinstance(document, list):
        return _calendar(document)
    if isinstance(document, dict):
        if isinstance(document.get("events"), list):
            return _calendar(document["events"])
        if "next_event" in document or "last_event" in document:
            named = [document.get("last_event"), document.get("next_event")]
            return _calendar([event for event in named if event is not None])
        if isinstance(document.get("event_today"), bool):
            return Reading(ReadingKind.EVENTS, event_today=document["event_today"])
        if "data" in document:
            return events_reading(document["data"])
    raise PayloadError("the document has no events, next_event, last_event or event_today")


def resolve_pointer(document: Any, pointer: str) -> Any:
    """Return what an RFC 6901 JSON pointer names.

    Raises:
        PayloadError: the pointer is malformed or leads nowhere.
    """
    check_pointer(pointer)
    found = document
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and _is_index(key) and int(key) < len(found):
            found = found[int(key)]
        else:
            raise PayloadError(f"JSON pointer {pointer!r} leads nowhere at {key[:40]!r}")
    return found


def check_pointer(pointer: str) -> None:
    """Refuse a malformed JSON pointer.

    Raises:
        PayloadError: it does not start with a slash, or a ``~`` is not followed by 0 or 1.
    """
    if pointer and not pointer.startswith("/"):
        raise PayloadError(f"JSON pointer {pointer!r} must start with /")
    if "~" in pointer.replace("~0", "").replace("~1", ""):
        raise PayloadError(f"JSON pointer {pointer!r} has a ~ that is not followed by 0 or 1")


def number(value: Any) -> float:
    """Return a JSON number, or a text that holds one, as a finite float.

    Raises:
        PayloadError: it is something else, not finite or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise PayloadError(f"a number is needed, not {type(value).__name__}")
    try:
        found = float(value)
    except (ValueError, OverflowError):
        raise PayloadError(f"a number is needed, not {str(value)[:40]!r}") from None
    if not math.isfinite(found):
        raise PayloadError(f"a finite number is needed, not {found}")
    return found


def own_time_ms(candidate: Any) -> int | None:
    """Return the time an object carries for itself, None if it has none.

    Raises:
        PayloadError: it carries one that cannot be read.
    """
    raw = _first(candidate, _TIME_KEYS)
    return None if raw is None else instant_ms(raw)


def _is_index(key: str) -> bool:
    return key == "0" or (key.isascii() and key.isdigit() and not key.startswith("0") and len(key) < 10)


def _candidates(document: Any) -> Iterator[Any]:
    """Yield the document, what lies under its ``data``, and the last element of either."""
    yield document
    inner = document.get("data") if isinstance(document, dict) else None
    if inner is not None:
        yield inner
    for rows in (document, inner):
        if isinstance(rows, list) and rows:
            yield rows[-1]


def _first(candidate: Any, keys: Sequence[str]) -> Any:
    if not isinstance(candidate, dict):
        return None
    return next((candidate[key] for key in keys if candidate.get(key) is not None), None)


def _as_change(candidate: Any) -> Reading | None:
    change = _first(candidate, _CHANGE_KEYS)
    if change is None:
        return None
    return Reading(ReadingKind.CHANGE, number(change), observed_ms=own_time_ms(candidate))


def _as_pair(candidate: Any) -> Reading | None:
    previous, value = _first(candidate, _PREVIOUS_KEYS), _first(candidate, _LEVEL_KEYS)
    if previous is None or value is None:
        return None
    return _change(number(value), number(previous), own_time_ms(candidate))


def _as_series(candidate: Any) -> Reading | None:
    """Read a list of timed values, in whatever order; rows without a value (holidays) are skipped."""
    if not isinstance(candidate, list):
        return None
    timed = [row for row in candidate if _first(row, _TIME_KEYS) is not None]
    rows = [
        (instant_ms(_first(row, _TIME_KEYS)), number(_first(row, _LEVEL_KEYS)))
        for row in timed
        if _first(row, _LEVEL_KEYS) is not None
    ]
    if not rows:
        return None
    rows.sort()
    newest_ms, newest = rows[-1]
    older = [level for ts_ms, level in rows if newest_ms - ts_ms >= CHANGE_MIN_AGE_MS]
    if not older:
        return _plain(newest, ReadingKind.VALUE, newest_ms)
    return _change(newest, older[-1], newest_ms)


def _plain_number(candidate: Any, known: Sequence[str]) -> float | None:
    if isinstance(candidate, int | float) and not isinstance(candidate, bool):
        return number(candidate)
    value = _first(candidate, _LEVEL_KEYS)
    if value is not None:
        return number(value)
    for pointer in known:
        try:
            return number(resolve_pointer(candidate, pointer))
        except PayloadError:
            continue
    return None


def _plain(value: float, kind: str, observed_ms: int | None) -> Reading:
    try:
        return Reading(ReadingKind(kind), value, observed_ms=observed_ms)
    except ValueError as error:
        raise PayloadError(str(error)) from None


def _change(value: float, previous: float, observed_ms: int | None) -> Reading:
    if value <= 0 or previous <= 0:
        raise PayloadError(f"index levels must be positive, not {value!r} after {previous!r}")
    return _plain(100.0 * (value / previous - 1.0), ReadingKind.CHANGE, observed_ms)


def _calendar(events: Sequence[Any]) -> Reading:
    stamps = (event.get("start") if isinstance(event, dict) else event for event in events)
    return Reading(ReadingKind.EVENTS, events_ms=tuple(sorted({event_ms(stamp) for stamp in stamps})))
