"""Chance that depends on names alone, so that the same run draws the same."""

from __future__ import annotations

import hashlib


def fraction(*names: object) -> float:
    """Return a number from 0 up to but not including 1, drawn by the names."""
    text = "|".join(str(name) for name in names)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / (1 << 48)
