"""The nearest known name to a mistyped one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return the known name most like ``name``, or the empty text if none is similar enough."""
    found = get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return found[0] if found else ""
