"""Volume confirmation of buys (spec 4.4)."""

from __future__ import annotations

import math

import attrs
import numpy as np

from cab_core.domain.bars import Bars, BoolArray, FloatArray, IntArray

#: Bars before the decision bar whose mean volume is the yardstick.
PERIOD = 20


@attrs.frozen(eq=False, slots=True)
class VolumeRows:
    """Answers per bar, as aligned columns of length N.

    Attributes:
        ok: volume does not speak against a buy.
        ratio: relative volume RVOL(20); NaN without 20 earlier bars or with a mean of 0.
        unavailable: all 21 volumes are 0: the source has no volume, so the filter is skipped.
    """

    ok: BoolArray
    ratio: FloatArray
    unavailable: BoolArray


def confirm_volume(bars: Bars, min_ratio: float = 0.8, segment: IntArray | None = None) -> VolumeRows:
    """Compare each bar's volume with the mean of the 20 bars before it.

    A bar is not confirmed if its ratio is below ``min_ratio``, if there is no ratio, or if it is synthetic.
    Each mean is summed anew from its own bars: any window that holds them gives the same bits, which
    `indicators.relative_volume`, with its running sum, does not promise.

    Args:
        bars: N bars without holes inside each stretch.
        min_ratio: least relative volume, inclusive.
        segment: `Series.segment`, if the bars hold more than one stretch: no mean reaches across a cut.
    """
    rows = np.arange(len(bars))
    enough = (rows if segment is None else rows - segment) >= PERIOD
    mean = np.where(enough, _sum_before(bars.volume), np.nan) / PERIOD
    silent = mean == 0
    ratio = np.full(len(bars), np.nan)
    np.divide(bars.volume, mean, out=ratio, where=~silent)
    real = ~bars.synthetic
    unavailable = silent & (bars.volume == 0) & real
    return VolumeRows(((ratio >= min_ratio) & real) | unavailable, ratio, unavailable)


def confirm_last(bars: Bars, min_ratio: float = 0.8) -> tuple[bool, float]:
    """Return the ``ok`` and ``ratio`` that `confirm_volume` gives the last bar, without the columns.

    A bar at the live edge takes a tenth of the time this way; the sum runs in the same order.
    """
    if bool(bars.synthetic[-1]) or len(bars) <= PERIOD:
        rows = confirm_volume(bars[-PERIOD - 1 :], min_ratio)
        return bool(rows.ok[-1]), float(rows.ratio[-1])
    *before, volume = bars.volume[-PERIOD - 1 :].tolist()
    total = before[0]
    for earlier in before[1:]:
        total += earlier
    mean = total / PERIOD
    if mean == 0:
        return volume == 0, math.nan
    ratio = volume / mean
    return ratio >= min_ratio, ratio


def _sum_before(volume: FloatArray) -> FloatArray:
    """Return the sum of the `PERIOD` rows before each row, oldest first; NaN without that many."""
    total = np.full(len(volume), np.nan)
    n = len(volume) - PERIOD
    if n > 0:
        total[PERIOD:] = volume[:n]
        for first in range(1, PERIOD):
            total[PERIOD:] += volume[first : first + n]
    return total
