"""Finer candles of one symbol, grouped by the 15m candles they make up (spec 9.4)."""

from __future__ import annotations

import numpy as np

from cab_core.domain.bars import Bars, BoolArray, FloatArray, IntArray
from cab_core.domain.timeframes import TF_MS


class Detail:
    """What a 15m candle is walked by instead of itself.

    Args:
        bars: candles of ``tf_ms``, increasing; those that are missing are not filled.
        tf_ms: their timeframe; it divides 15 minutes.
    """

    def __init__(self, bars: Bars, tf_ms: int) -> None:
        self.bars = bars
        self._parts = TF_MS // tf_ms

    def rows(self, ts_ms: int) -> range:
        """Return the rows that make up the 15m candle opened at ``ts_ms``; none unless it is complete."""
        first, stop = self.bars.ts_ms.searchsorted((ts_ms, ts_ms + TF_MS))
        return range(int(first), int(stop)) if stop - first == self._parts else range(0)

    def complete(self, ts_ms: IntArray) -> BoolArray:
        """Return which of the 15m candles opened at ``ts_ms`` are complete."""
        first, stop = (self.bars.ts_ms.searchsorted(times) for times in (ts_ms, ts_ms + TF_MS))
        found: BoolArray = stop - first == self._parts
        return found

    def extremes(self, ts_ms: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return lows and highs (float64) of the complete 15m candles opened at ``ts_ms``."""
        rows = self.bars.ts_ms.searchsorted(ts_ms)[:, None] + np.arange(self._parts)
        return self.bars.low[rows].min(axis=1), self.bars.high[rows].max(axis=1)
