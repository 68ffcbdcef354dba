"""Oscillators and momentum."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import talib

from cab_core.domain.bars import FloatArray
from cab_core.domain.indicators.columns import aligned, undefined
from cab_core.domain.indicators.rolling import highest, lowest, sma

#: Value of a 0 to 100 oscillator when nothing moved in its window.
NEUTRAL = 50.0


class Stochastic(NamedTuple):
    """Raw fast %K and the slow lines %K and %D, in [0, 100]."""

    fast_k: FloatArray
    k: FloatArray
    d: FloatArray


def rsi(close: FloatArray, n: int = 14) -> FloatArray:
    """Relative strength index (Wilder 1978), first at index n; 50 while the price has not moved at all."""
    change = close[1:] - close[:-1]
    gain = talib.RMA(np.maximum(change, 0.0), n)
    loss = talib.RMA(np.maximum(-change, 0.0), n)
    return aligned(_percent_of(gain, gain + loss), len(close))


def roc(close: FloatArray, n: int = 10) -> FloatArray:
    """Rate of change over ``n`` bars in percent."""
    if len(close) <= n:
        return undefined(len(close))
    return aligned(100.0 * (close[n:] / close[:-n] - 1.0), len(close))


def stochastic(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    k_period: int = 14,
    k_smooth: int = 3,
    d_period: int = 3,
) -> Stochastic:
    """Slow stochastic (Lane): place of the close in the recent range, smoothed twice; 50 without range."""
    floor = lowest(low, k_period)
    fast_k = _percent_of(close - floor, highest(high, k_period) - floor)
    k = sma(fast_k, k_smooth)
    return Stochastic(fast_k, k, sma(k, d_period))


def squeeze_momentum(high: FloatArray, low: FloatArray, close: FloatArray, n: int = 20) -> FloatArray:
    """Trend of the close's distance from the middle of its range and mean (Carter 2005), first at 2n-2.

    The value is the last point of the least-squares line through the distances of the last ``n`` bars.
    """
    middle = (highest(high, n) + lowest(low, n)) / 2.0
    return talib.LINEARREG(close - (middle + sma(close, n)) / 2.0, n)


def _percent_of(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Return ``100 * part / whole``, neutral where the whole is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        percent: FloatArray = 100.0 * part / whole
    percent[whole == 0.0] = NEUTRAL
    return percent
