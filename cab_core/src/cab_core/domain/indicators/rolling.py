"""Extremes, means and weighted moments over the last n rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import talib

from cab_core.domain.bars import FloatArray
from cab_core.domain.indicators.columns import aligned, undefined


class Moments(NamedTuple):
    """Mean and population standard deviation of each window."""

    mean: FloatArray
    deviation: FloatArray


def highest(x: FloatArray, n: int) -> FloatArray:
    """Return the maximum of the last ``n`` rows, the current one included, first at index n-1."""
    return x if n == 1 else talib.MAX(x, n)


def lowest(x: FloatArray, n: int) -> FloatArray:
    """Return the minimum of the last ``n`` rows, the current one included, first at index n-1."""
    return x if n == 1 else talib.MIN(x, n)


def sma(x: FloatArray, n: int) -> FloatArray:
    """Simple moving average of the last ``n`` rows, first at index n-1."""
    if n == 1:
        return x
    # TA-Lib carries rounding along; no mean lies outside its window, and equal rows have exactly their value.
    return np.minimum(np.maximum(talib.SMA(x, n), lowest(x, n)), highest(x, n))


def weighted_moments(x: FloatArray, weights: FloatArray, n: int) -> Moments:
    """Return mean and deviation of the last ``n`` rows, weighted with ``weights`` > 0, first at index n-1.

    Windows of 1, 2, 4 ... rows are merged from two halves, and those that make up ``n`` in binary are joined:
    no rounding outlives its window, however much heavier the rows before it were.

    Source: merging of moments, Chan, Golub and LeVeque 1979.
    """
    rows = len(x)
    if rows < n:
        return Moments(undefined(rows), undefined(rows))
    block, size = _Block(x, np.zeros(rows), weights), 1
    joined, length = block, 0
    while length < n:  # row i of a block stands for the rows i to i+size-1 of x
        if n & size:
            joined = joined.merged(block, length, size) if length else block
            length += size
        if length < n:
            block = block.merged(block, size, size)
            size *= 2
    return Moments(aligned(joined.mean, rows), aligned(np.sqrt(joined.squares / joined.weight), rows))


class _Block(NamedTuple):
    """Mean, weighted sum of squared deviations from it, and sum of weights of each run of some length."""

    mean: FloatArray
    squares: FloatArray
    weight: FloatArray

    def merged(self, later: _Block, rows: int, later_rows: int) -> _Block:
        """Merge runs of ``rows`` rows with the runs of ``later_rows`` rows that follow them."""
        mean, own_weight = self.mean[:-later_rows], self.weight[:-later_rows]
        weight = own_weight + later.weight[rows:]
        step = later.mean[rows:] - mean
        shift = later.weight[rows:] / weight
        shift *= step
        squares = step * shift
        squares *= own_weight
        squares += self.squares[:-later_rows]
        squares += later.squares[rows:]
        return _Block(mean + shift, squares, weight)
