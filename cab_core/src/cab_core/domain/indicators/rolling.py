"""Sums, means, deviations and extremes over the last n rows.

Windows are merged from halves instead of adding the newest and subtracting the oldest row: no rounding error
outlives its window, a window of equal rows has exactly their value as mean and exactly 0 as deviation, and
row k stays the same bit for bit however many rows follow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import talib

from cab_core.domain.bars import FloatArray
from cab_core.domain.indicators.columns import aligned, undefined

Columns: TypeAlias = tuple[FloatArray, ...]
Merge: TypeAlias = Callable[[Columns, Columns, int, int], Columns]


class Moments(NamedTuple):
    """Mean and population standard deviation of each window."""

    mean: FloatArray
    deviation: FloatArray


def rolling_sum(x: FloatArray, n: int) -> FloatArray:
    """Return the sum of the last ``n`` rows, first at index n-1."""
    return _windows((x,), n, _merge_sums)[0]


def rolling_mean(x: FloatArray, n: int) -> FloatArray:
    """Return the mean of the last ``n`` rows, first at index n-1."""
    return _windows((x,), n, _merge_means)[0]


def rolling_moments(x: FloatArray, n: int) -> Moments:
    """Return mean and deviation (divided by n) of the last ``n`` rows, first at index n-1.

    Source: pairwise merging of moments, Chan, Golub and LeVeque 1979; so are the weighted ones.
    """
    mean, squares = _windows((x, np.zeros(len(x))), n, _merge_moments)
    return Moments(mean, np.sqrt(squares / n))


def rolling_weighted_moments(x: FloatArray, weights: FloatArray, n: int) -> Moments:
    """Return mean and deviation of the last ``n`` rows, weighted with ``weights`` > 0, first at index n-1."""
    mean, squares, weight = _windows((x, np.zeros(len(x)), weights), n, _merge_weighted)
    return Moments(mean, np.sqrt(squares / weight))


def highest(x: FloatArray, n: int) -> FloatArray:
    """Return the maximum of the last ``n`` rows, the current one included, first at index n-1."""
    return x if n == 1 else talib.MAX(x, n)


def lowest(x: FloatArray, n: int) -> FloatArray:
    """Return the minimum of the last ``n`` rows, the current one included, first at index n-1."""
    return x if n == 1 else talib.MIN(x, n)


def _merge_sums(early: Columns, late: Columns, _early_rows: int, _late_rows: int) -> Columns:
    return (early[0] + late[0],)


def _merge_means(early: Columns, late: Columns, early_rows: int, late_rows: int) -> Columns:
    return (early[0] + (late[0] - early[0]) * (late_rows / (early_rows + late_rows)),)


def _merge_moments(early: Columns, late: Columns, early_rows: int, late_rows: int) -> Columns:
    """Merge (mean, sum of squared deviations from it)."""
    step = late[0] - early[0]
    share = late_rows / (early_rows + late_rows)
    return early[0] + step * share, early[1] + late[1] + step * step * (share * early_rows)


def _merge_weighted(early: Columns, late: Columns, _early_rows: int, _late_rows: int) -> Columns:
    """Merge (mean, weighted sum of squared deviations from it, sum of weights)."""
    weight = early[2] + late[2]
    step = late[0] - early[0]
    toward_late = step * (late[2] / weight)
    return early[0] + toward_late, early[1] + late[1] + step * toward_late * early[2], weight


def _windows(columns: Columns, n: int, merge: Merge) -> Columns:
    """Reduce the last ``n`` rows at each row with an associative ``merge``; NaN before row n-1.

    Windows of 1, 2, 4 ... rows are merged from two halves; those that make up ``n`` in binary are joined.
    """
    total = len(columns[0])
    if total < n:
        return tuple([undefined(total) for _ in columns])
    block, size = columns, 1
    joined, length = columns, 0
    while length < n:  # row i of a block stands for rows i to i+size-1 of the columns
        if n & size:
            joined = merge(_cut(joined, 0, -size), _cut(block, length), length, size) if length else block
            length += size
        if length < n:
            block = merge(_cut(block, 0, -size), _cut(block, size), size, size)
            size *= 2
    return tuple([aligned(column, total) for column in joined])


def _cut(columns: Columns, start: int, stop: int | None = None) -> Columns:
    return tuple([column[start:stop] for column in columns])
