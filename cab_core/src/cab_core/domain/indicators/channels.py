"""Bands and channels around the price."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import talib

from cab_core.domain.bars import FloatArray
from cab_core.domain.indicators.columns import previous
from cab_core.domain.indicators.rolling import highest, lowest, sma
from cab_core.domain.indicators.trend import ema
from cab_core.domain.indicators.volatility import atr


class Bands(NamedTuple):
    """Upper band, middle line and lower band in price units."""

    upper: FloatArray
    mid: FloatArray
    lower: FloatArray


class BollingerBands(NamedTuple):
    """Bands with the population standard deviation ``sigma`` they were drawn with."""

    upper: FloatArray
    mid: FloatArray
    lower: FloatArray
    sigma: FloatArray


class Supertrend(NamedTuple):
    """Line below (direction +1) or above (direction -1) the price; both NaN before index n."""

    line: FloatArray
    direction: FloatArray


def bollinger(close: FloatArray, n: int = 20, k: float = 2.0) -> BollingerBands:
    """Mean of the last ``n`` closes plus and minus ``k`` population deviations (Bollinger 2001)."""
    mid, sigma = sma(close, n), talib.STDDEV(close, n)
    reach = k * sigma
    return BollingerBands(mid + reach, mid, mid - reach, sigma)


def keltner(
    high: FloatArray, low: FloatArray, close: FloatArray, n: int = 20, atr_n: int = 20, k: float = 1.5
) -> Bands:
    """EMA of the close plus and minus ``k`` average true ranges (Raschke's form of Keltner's channel)."""
    mid = ema(close, n)
    reach = k * atr(high, low, close, atr_n)
    return Bands(mid + reach, mid, mid - reach)


def donchian_high(high: FloatArray, n: int) -> FloatArray:
    """Highest high of the ``n`` bars before each bar, which is itself excluded."""
    return previous(highest(high, n))


def donchian_low(low: FloatArray, n: int) -> FloatArray:
    """Lowest low of the ``n`` bars before each bar, which is itself excluded."""
    return previous(lowest(low, n))


def supertrend(
    high: FloatArray, low: FloatArray, close: FloatArray, n: int = 10, k: float = 3.0
) -> Supertrend:
    """Ratcheting bands of ``k`` average true ranges around the middle of the bar (Seban).

    The first direction, at index n, is +1 by definition and therefore says nothing yet.
    """
    line, direction = talib.SUPERTREND(high, low, close, n, k)
    return Supertrend(line, np.where(np.isnan(line), np.nan, direction))
