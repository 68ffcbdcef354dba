"""Values as they are stored, read without trust: what is none becomes nothing, and I22 names it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from cab_core.domain.money import ZERO


def parsed(text: str | None) -> Mapping[str, Any]:
    """Return the JSON object of ``text``, an empty one if it is none: I22 names such a row."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def fees(value: Any) -> tuple[tuple[str, Decimal], ...]:
    """Return further fees, stored as text in the table and as a list in the journal; none if they are odd."""
    try:
        rows = json.loads(value) if isinstance(value, str) else value
        return tuple((str(currency), amount(paid)) for currency, paid in rows or ())
    except (TypeError, ValueError):
        return ()


def amount(value: object) -> Decimal:
    """Return a stored amount; 0 for what is no finite number: I22 names such a row."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return ZERO
    return number if number.is_finite() else ZERO
