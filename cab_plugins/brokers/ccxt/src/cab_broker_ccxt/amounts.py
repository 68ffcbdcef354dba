"""The border between the venue's texts and Decimal."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from cab_core.sdk import floor_step

ZERO = Decimal(0)


def plain(value: Decimal) -> str:
    """Return the value in plain format without trailing zeros: never ``1E-7``, never a binary float."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def floored(value: Decimal, step: Decimal) -> Decimal:
    """Round down to a multiple of ``step``: an order is never enlarged."""
    return floor_step(value, step)


def number(value: Any) -> Decimal:
    """Read a number of the venue; missing, empty and malformed ones are zero."""
    found = maybe(value)
    return ZERO if found is None else found


def maybe(value: Any) -> Decimal | None:
    """Read a number of the venue, None if it is missing, empty, malformed or not finite."""
    if value is None or value == "":
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def millis(row: dict[str, Any], name: str) -> int:
    """Read a time in epoch milliseconds from ``<name>_ms``, or from ``<name>`` in seconds; 0 if neither."""
    exact = maybe(row.get(f"{name}_ms"))
    return int(number(row.get(name)) * 1000) if exact is None else int(exact)
