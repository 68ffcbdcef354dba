"""Views as JSON: how every surface writes them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs


def plain(value: Any) -> Any:
    """Return views as the HTTP API shows them: attrs values as objects, Decimals as exact texts.

    NaN and infinity, which JSON does not know, become null.

    Raises:
        TypeError: a value has no such form.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if isinstance(value, Path):
        return str(value)
    if attrs.has(type(value)):
        return {field.name: plain(getattr(value, field.name)) for field in attrs.fields(type(value))}
    raise TypeError(f"{type(value).__name__} has no JSON form")
