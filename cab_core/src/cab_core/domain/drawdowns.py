"""An account's curve over time and its drawdowns, measured at 15-minute closes."""

from __future__ import annotations

import attrs
import numpy as np

from cab_core.domain.bars import FloatArray, IntArray
from cab_core.domain.timeframes import TF_MS


@attrs.frozen(eq=False, slots=True)
class Curve:
    """What an account was worth, its start included.

    Attributes:
        times: int64 [N], epoch milliseconds, strictly increasing; the first is the start, the others closes.
        values: float64 [N] in quote; the first is the baseline.
    """

    times: IntArray
    values: FloatArray

    @classmethod
    def of(cls, times: IntArray, equity: FloatArray, baseline: float) -> Curve:
        """Put the baseline before the first close, one candle earlier.

        Args:
            times: int64 [G], close times.
            equity: float64 [G], worth in quote at each of them.
            baseline: worth in quote at the start.

        Raises:
            ValueError: a value is NaN or infinite: a defect of the run, never a figure.
        """
        if not len(times):
            return cls(np.empty(0, np.int64), np.empty(0))
        values = np.concatenate(([baseline], equity))
        if not np.isfinite(values).all():
            raise ValueError("the curve holds a value that is not a finite number")
        return cls(np.concatenate(([times[0] - TF_MS], times)), values)

    def __len__(self) -> int:
        return len(self.times)


@attrs.frozen(slots=True)
class Drawdown:
    """One fall below a peak.

    Attributes:
        depth_pct: at its deepest, percent of the peak.
        start_ms: when the peak was last held.
        bottom_ms: when it was deepest; the earliest such close.
        recovery_ms: the first close at or above the peak again, None if that never came.
        duration_ms: from the start to the recovery, or to the end of the curve.
    """

    depth_pct: float
    start_ms: int
    bottom_ms: int
    recovery_ms: int | None
    duration_ms: int


def underwater(curve: Curve) -> FloatArray:
    """Return how far each point is below the running peak, in percent of it; 0 while no peak is positive."""
    peaks = np.maximum.accumulate(curve.values)
    fall = np.zeros(len(curve))
    np.divide(100 * (peaks - curve.values), peaks, out=fall, where=peaks > 0)
    return fall


def worst_drawdowns(curve: Curve, count: int = 5) -> tuple[Drawdown, ...]:
    """Return the ``count`` deepest drawdowns, deepest first; earlier ones first among equals."""
    fall = underwater(curve)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], fall > 0, [False]))))
    begins, ends = edges[::2], edges[1::2]
    if not len(begins):
        return ()
    depths = np.maximum.reduceat(fall, begins)
    order = np.argsort(-depths, kind="stable")[:count]
    return tuple(_drawdown(curve, fall, int(begins[i]), int(ends[i])) for i in order)


def _drawdown(curve: Curve, fall: FloatArray, begin: int, end: int) -> Drawdown:
    """Describe the drawdown of the points ``begin`` to ``end - 1``."""
    bottom = begin + int(fall[begin:end].argmax())
    recovered = end < len(curve)
    # The first point is its own peak, so a drawdown has a point before it.
    start_ms = int(curve.times[begin - 1])
    until_ms = int(curve.times[end if recovered else -1])
    return Drawdown(
        float(fall[bottom]),
        start_ms,
        int(curve.times[bottom]),
        until_ms if recovered else None,
        until_ms - start_ms,
    )
