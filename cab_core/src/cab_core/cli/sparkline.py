"""A curve in one line of text."""

from __future__ import annotations

from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int) -> str:
    """Return ``values`` as at most ``width`` block characters between their least and their greatest."""
    if not values:
        return ""
    step = max(1, -(-len(values) // width))
    points = [*values[::-1][::step]][::-1]  # counted from the newest, so that it is always shown
    low, high = min(points), max(points)
    span = (high - low) or 1.0
    return "".join(_BLOCKS[min(7, int(8 * (value - low) / span))] for value in points)
