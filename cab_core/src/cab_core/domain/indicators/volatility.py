"""True range and its average."""

from __future__ import annotations

import talib

from cab_core.domain.bars import FloatArray


def true_range(high: FloatArray, low: FloatArray, close: FloatArray) -> FloatArray:
    """Return the range of each bar including the gap from the close before; row 0 is NaN."""
    return talib.TRANGE(high, low, close)


def atr(high: FloatArray, low: FloatArray, close: FloatArray, n: int = 14) -> FloatArray:
    """Average true range in price units (Wilder 1978), seeded with the mean of TR[1..n], first at index n."""
    return talib.ATR(high, low, close, n)
