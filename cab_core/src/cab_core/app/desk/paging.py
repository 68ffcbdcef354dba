"""Cursors of pages: opaque texts that name the last row of the page before."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import attrs

from cab_core.app.desk.desk import PAGE, Filter
from cab_core.errors import UsageError
from cab_core.storage.pages import Key, Wanted

T = TypeVar("T")

_FIX = "use the 'next' of the page before, or leave it out for the first page"


def cursor(key: Key) -> str:
    """Return the cursor of the rows that follow the one with this key."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def parse_cursor(text: str, shape: Sequence[type]) -> Key | None:
    """Return the key a cursor names, None for the empty cursor of the first page.

    Args:
        text: what `cursor` gave.
        shape: the types of the key's parts.

    Raises:
        UsageError: it is no cursor of such a list.
    """
    if not text:
        return None
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        key = json.loads(raw)
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"{text[:40]!r} is no cursor", where="after", fix=_FIX) from error
    same = isinstance(key, list) and [type(part) for part in key] == list(shape)
    if not same or any(isinstance(part, int) and abs(part) >= 2**63 for part in key):
        raise UsageError(f"{text[:40]!r} is no cursor of this list", where="after", fix=_FIX)
    return tuple(key)


def check(wanted: Filter, *known: str) -> None:
    """Refuse a filter a list does not have, and a size that is no page's.

    Raises:
        UsageError: naming it.
    """
    if not 1 <= wanted.limit <= PAGE:
        raise UsageError(f"a page has 1 to {PAGE} rows, not {wanted.limit}", where="limit")
    always = {"limit", "after", *known}
    for field in attrs.fields(Filter):
        given = getattr(wanted, field.name)
        if field.name not in always and given not in (None, ""):
            raise UsageError(
                f"this list has no filter {field.name!r}",
                where=field.name,
                fix=f"it has: {', '.join(sorted(always - {'limit', 'after'})) or 'none'}",
            )


def rows_of(wanted: Filter, key: Key | None) -> Wanted:
    """Return the question to the database: one row more than the page, to know whether another follows."""
    return Wanted(
        limit=wanted.limit + 1,
        before=key,
        symbol=wanted.symbol,
        strategy=wanted.strategy,
        trace_id=wanted.trace_id,
        action=wanted.action,
        text=wanted.text,
        state=wanted.order_state,
        since_ms=wanted.since_ms,
        until_ms=wanted.until_ms,
    )


def cut(
    rows: Sequence[Mapping[str, Any]], limit: int, key: Sequence[str], view: Callable[[Mapping[str, Any]], T]
) -> tuple[list[T], str | None]:
    """Return the page of ``limit`` rows, as views, and the cursor of the next one if there is more."""
    shown = rows[:limit]
    after = cursor(tuple(shown[-1][name] for name in key)) if len(rows) > limit else None
    return [view(row) for row in shown], after
