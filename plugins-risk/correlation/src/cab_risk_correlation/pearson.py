"""Pearson's correlation of two return series over their common hours."""

from __future__ import annotations

import numpy as np

from cab_core.sdk import HourlyReturns


def pearson(a: HourlyReturns, b: HourlyReturns, lookback: int, min_returns: int) -> float | None:
    """Correlate the last common returns of two symbols.

    Args:
        a: log returns of one symbol, with strictly increasing times.
        b: those of the other one.
        lookback: the most common returns to use, the latest ones.
        min_returns: the fewest.

    Returns:
        A value in [-1, 1], or None with too few common hours or without any movement.
    """
    _, in_a, in_b = np.intersect1d(a.ts_ms, b.ts_ms, assume_unique=True, return_indices=True)
    x, y = a.values[in_a[-lookback:]], b.values[in_b[-lookback:]]
    if len(x) < min_returns:
        return None
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    if not np.isfinite(scale) or scale == 0.0:
        return None
    return float(np.clip((x @ y) / scale, -1.0, 1.0))
