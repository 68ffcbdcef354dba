"""The account's curve as chart data, reduced to what a screen can show without losing its extremes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cab_core.domain.bars import FloatArray, IntArray
from cab_core.domain.drawdowns import underwater
from cab_core.report.figures import RunFigures

#: Buckets a curve is cut into; each keeps its extremes.
BUCKETS = 700

#: Digits that are kept of the largest value: more than a screen can resolve.
_DIGITS = 7


def curve_data(figures: RunFigures, buckets: int = BUCKETS) -> dict[str, list[Any]]:
    """Return aligned columns: time in seconds, equity, buy-and-hold, and the drawdown of both (<= 0)."""
    account, held = figures.account, figures.held
    if not len(account):
        return {name: [] for name in ("t", "equity", "held", "fall", "heldFall")}
    fall, held_fall = -underwater(account), -underwater(held)
    rows = extreme_rows((account.values, held.values, fall, held_fall), buckets)
    return {
        "t": (account.times[rows] // 1000).tolist(),
        "equity": rounded(account.values[rows]),
        "held": rounded(held.values[rows]),
        "fall": (fall[rows].round(4) + 0.0).tolist(),
        "heldFall": (held_fall[rows].round(4) + 0.0).tolist(),
    }


def extreme_rows(columns: Sequence[FloatArray], buckets: int) -> IntArray:
    """Return the rows, ascending, at which a column is lowest or highest within its bucket, and both ends.

    Args:
        columns: aligned, of one length N >= 1.
        buckets: into how many stretches of equal length the rows are cut.
    """
    count = len(columns[0])
    size = -(-count // buckets)
    if size <= 2:
        return np.arange(count)
    whole = count // size * size
    begins = np.arange(0, whole, size)
    kept = [np.array([0, count - 1])]
    for column in columns:
        body = column[:whole].reshape(-1, size)
        kept += [begins + body.argmin(axis=1), begins + body.argmax(axis=1)]
        if whole < count:
            rest = column[whole:]
            kept.append(whole + np.array([rest.argmin(), rest.argmax()]))
    return np.unique(np.concatenate(kept))


def rounded(values: FloatArray) -> list[float]:
    """Return the values with as many decimals as the largest of them needs on a screen."""
    largest = float(np.abs(values).max(initial=0.0))
    decimals = _DIGITS - 1 - int(np.floor(np.log10(largest))) if largest > 0 else 0
    found: list[float] = values.round(max(0, decimals)).tolist()
    return found
