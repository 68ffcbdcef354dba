"""Moving averages and directional movement."""

from __future__ import annotations

from typing import NamedTuple

import talib

from cab_core.domain.bars import FloatArray


class Macd(NamedTuple):
    """MACD line, its signal line, and their difference."""

    line: FloatArray
    signal: FloatArray
    histogram: FloatArray


class Directional(NamedTuple):
    """Average directional index and the two directional indicators, in [0, 100]."""

    adx: FloatArray
    plus_di: FloatArray
    minus_di: FloatArray


def ema(x: FloatArray, n: int) -> FloatArray:
    """Exponential moving average with weight 2/(n+1), seeded with the mean of the first ``n`` defined rows.

    ``x`` may start with NaN rows; the average is then first defined ``n-1`` rows after them.
    """
    if len(x) == 0 or n == 1:
        return x
    # Measured from the first value, a price that never moves has itself as average, without rounding.
    origin = x[0] if x[0] == x[0] else 0.0
    return talib.EMA(x - origin, n) + origin


def macd(close: FloatArray, fast: int = 12, slow: int = 26, signal: int = 9) -> Macd:
    """Difference of two EMAs, each seeded at its own start, and the EMA of that difference."""
    line = ema(close, fast) - ema(close, slow)
    signal_line = ema(line, signal)
    return Macd(line, signal_line, line - signal_line)


def adx(high: FloatArray, low: FloatArray, close: FloatArray, n: int = 14) -> FloatArray:
    """Average directional index (Wilder 1978, seeded as in TA-Lib), first at index 2n-1."""
    return talib.ADX(high, low, close, n)


def directional(high: FloatArray, low: FloatArray, close: FloatArray, n: int = 14) -> Directional:
    """ADX with +DI and -DI (Wilder 1978); the indicators start at index n and are 0 without any range."""
    return Directional(
        adx(high, low, close, n),
        talib.PLUS_DI(high, low, close, n),
        talib.MINUS_DI(high, low, close, n),
    )
