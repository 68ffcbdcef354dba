"""The unit that figures of different machines are compared in: indicators in a plain Python loop."""

from __future__ import annotations

from collections.abc import Sequence

#: open, high, low, close.
Row = tuple[float, float, float, float]


def loop(rows: Sequence[Row]) -> int:
    """Compute EMA 12 and 26, ATR 14 and their crosses inline, in floats; return the number of crosses."""
    fast = slow = previous = rows[0][3]
    average_range = 0.0
    above = False
    crosses = 0
    for _, high, low, close in rows:
        fast += (close - fast) * 0.15384615384615385
        slow += (close - slow) * 0.07407407407407407
        spread = high - low
        up = high - previous if high > previous else previous - high
        down = previous - low if previous > low else low - previous
        if up > spread:
            spread = up
        if down > spread:
            spread = down
        average_range += (spread - average_range) * 0.07142857142857142
        previous = close
        now_above = fast > slow
        if now_above is not above and average_range > 0.0:
            above = now_above
            crosses += 1
    return crosses
