"""Volume-weighted averages and relative volume."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from cab_core.domain.bars import FloatArray, IntArray
from cab_core.domain.indicators.columns import previous, undefined
from cab_core.domain.indicators.rolling import highest, lowest, sma, weighted_moments
from cab_core.domain.timeframes import DAY_MS

#: Weight of a bar without trades: next to nothing instead of nothing, so that no mean divides by zero. It is
#: far below the rounding of any real volume.
_NO_TRADES = 1e-200


class Vwap(NamedTuple):
    """Volume-weighted average price.

    Attributes:
        vwap: average in price units, NaN without volume.
        sv: volume-weighted population deviation of the typical price around it.
        z: ``(close - vwap) / sv``, NaN where ``sv`` is 0.
    """

    vwap: FloatArray
    sv: FloatArray
    z: FloatArray


def rolling_vwap(
    high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray, n: int = 96
) -> Vwap:
    """VWAP of the typical price over the last ``n`` bars, first at index n-1."""
    typical = (high + low + close) / 3.0
    traded = volume > 0.0
    vwap, sv = weighted_moments(typical, np.maximum(volume, _NO_TRADES), n)
    if not traded.all():  # bars without trades must not count in either respect
        top = highest(np.where(traded, typical, -np.inf), n)
        bottom = lowest(np.where(traded, typical, np.inf), n)
        sv[top == bottom] = 0.0
        silent = top < bottom
        vwap[silent] = np.nan
        sv[silent] = np.nan
    return _with_z(close, vwap, sv)


def utc_day_vwap(
    ts_ms: IntArray, high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray
) -> Vwap:
    """VWAP of the typical price over the bars of the current UTC day up to each bar."""
    typical = (high + low + close) / 3.0
    vwap, sv = undefined(len(close)), undefined(len(close))
    midnights = np.flatnonzero(utc_day_bars(ts_ms) == 1).tolist()
    for start, stop in pairwise([*midnights, len(close)]):
        vwap[start:stop], sv[start:stop] = _cumulative(typical[start:stop], volume[start:stop])
    return _with_z(close, vwap, sv)


def utc_day_bars(ts_ms: IntArray) -> IntArray:
    """Return how many bars of its UTC day each bar completes, itself included, 1 at the first."""
    rows = np.arange(len(ts_ms))
    day = ts_ms // DAY_MS
    first = np.ones(len(ts_ms), np.bool_)
    first[1:] = day[1:] != day[:-1]
    return rows - np.maximum.accumulate(np.where(first, rows, 0)) + 1


def relative_volume(volume: FloatArray, n: int = 20) -> FloatArray:
    """Volume over the mean of the ``n`` bars before, which excludes the bar; NaN where that mean is 0."""
    mean = previous(sma(volume, n))
    mean[mean == 0.0] = np.nan
    return volume / mean


def _cumulative(typical: FloatArray, volume: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return running VWAP and deviation from the first row on, NaN while nothing was traded."""
    traded = np.flatnonzero(volume > 0.0)
    vwap, sv = undefined(len(typical)), undefined(len(typical))
    if len(traded) == 0:
        return vwap, sv
    first = int(traded[0])
    # Measured from the first traded price, squares do not cancel and an unmoved price deviates by exactly 0.
    offset = typical[first:] - typical[first]
    weight = np.cumsum(volume[first:])
    mean = np.cumsum(volume[first:] * offset) / weight
    variance = np.cumsum(volume[first:] * offset**2) / weight - mean**2
    vwap[first:] = typical[first] + mean
    sv[first:] = np.sqrt(np.maximum(variance, 0.0))
    return vwap, sv


def _with_z(close: FloatArray, vwap: FloatArray, sv: FloatArray) -> Vwap:
    return Vwap(vwap, sv, (close - vwap) / np.where(sv == 0.0, np.nan, sv))
