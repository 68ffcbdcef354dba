"""What a table of candles must hold, checked on whole columns; the slow look is only taken at a fault."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import numpy.typing as npt

from cab_core.domain.bars import BoolArray, IntArray
from cab_core.domain.timeframes import TIMEFRAMES, origin_ms

_NAMES = {tf_ms: name for name, tf_ms in TIMEFRAMES.items()}
_FIX_PRICES = "correct or remove the row"
_FIX_ORDER = "sort the rows by ts_ms and keep each time once"

#: So many equal steps of another timeframe in a row are not holes.
_RUN = 3


@attrs.frozen(slots=True)
class Hole:
    """Candles missing after the one that opened at ``after_ms``."""

    after_ms: int
    missing: int


@attrs.frozen(slots=True)
class Fault:
    """The first fault of a table: index of the candle, what is wrong with it, and what to do."""

    row: int
    what: str
    fix: str


def bad_row(table: npt.NDArray[np.float64]) -> Fault | None:
    """Return the first row that cannot be a candle, None if all can.

    Args:
        table: shape [N, 6], columns ts_ms, open, high, low, close, volume.
    """
    stamps, open_, high, low, close, volume = table.T
    later = np.ones(len(table), np.bool_)
    later[1:] = stamps[1:] > stamps[:-1]
    ok = later & np.isfinite(table).all(axis=1) & (stamps >= 0) & (stamps == np.floor(stamps))
    ok &= (low > 0) & (low <= np.minimum(open_, close)) & (np.maximum(open_, close) <= high) & (volume >= 0)
    if ok.all():
        return None
    row = int(np.argmin(ok))
    before = table[row - 1, 0] if row else None
    return _explain(row, table[row].tolist(), before)


def _explain(row: int, values: list[float], before: float | None) -> Fault:
    stamp, open_, high, low, close, volume = values
    if not np.isfinite(values).all():
        bad = next(value for value in values if not np.isfinite(value))
        return Fault(row, f"a value is not finite: {bad}", _FIX_PRICES)
    if stamp < 0 or stamp != int(stamp):
        return Fault(row, f"ts_ms is no time in milliseconds: {stamp:.15g}", _FIX_ORDER)
    if before is not None and stamp == before:
        return Fault(row, f"ts_ms {int(stamp)} appears twice", _FIX_ORDER)
    if before is not None and stamp < before:
        return Fault(row, f"ts_ms {int(stamp)} lies before {int(before)} of the row above", _FIX_ORDER)
    if min(open_, high, low, close) <= 0:
        return Fault(row, f"a price is not above 0: {min(open_, high, low, close)}", _FIX_PRICES)
    if volume < 0:
        return Fault(row, f"volume is below 0: {volume}", _FIX_PRICES)
    if high < max(open_, close):
        return Fault(row, f"high {high} lies below open {open_} or close {close}", _FIX_PRICES)
    return Fault(row, f"low {low} lies above open {open_} or close {close}", _FIX_PRICES)


def infer_timeframe(ts_ms: IntArray) -> tuple[str, Fault | None]:
    """Return the timeframe most steps have, and the first row that contradicts it.

    Args:
        ts_ms: strictly increasing open times, at least one.
    """
    if len(ts_ms) < 2:
        return "15m", Fault(
            0, "one candle does not tell its timeframe", "give a file with two candles or more"
        )
    steps = np.diff(ts_ms)
    tf_ms = _most_frequent(steps)
    name = _NAMES.get(tf_ms)
    if name is None:
        known = ", ".join(TIMEFRAMES)
        return "15m", Fault(1, f"candles {tf_ms} ms apart are of no known timeframe", f"give one of {known}")
    off_grid = (ts_ms - origin_ms(tf_ms)) % tf_ms != 0
    other = np.zeros(len(ts_ms), np.bool_)
    other[1:] = _other_timeframe(steps, tf_ms)
    if not (off_grid | other).any():
        return name, None
    row = int(np.argmax(off_grid | other))
    if other[row]:
        what = f"the step to ts_ms {int(ts_ms[row])} is {_NAMES[int(steps[row - 1])]} among {name} candles"
        return name, Fault(row, what, "keep one timeframe per file")
    what = f"ts_ms {int(ts_ms[row])} is off the {name} grid"
    return name, Fault(row, what, f"use open times that are multiples of {tf_ms} ms")


def find_holes(ts_ms: IntArray, tf_ms: int) -> tuple[Hole, ...]:
    """Return the holes between candles on the grid of ``tf_ms``, in order."""
    missing = np.diff(ts_ms) // tf_ms - 1
    return tuple(Hole(int(ts_ms[row]), int(missing[row])) for row in np.flatnonzero(missing))


def missing_bars(holes: Sequence[Hole]) -> int:
    """Return how many candles the holes add up to."""
    return sum(hole.missing for hole in holes)


def _most_frequent(steps: IntArray) -> int:
    """Return the most frequent step that is a timeframe, or the most frequent one if none is."""
    first = int(steps[0])
    if first in _NAMES and np.count_nonzero(steps == first) * 2 > len(steps):
        return first
    values, counts = np.unique(steps, return_counts=True)
    counts[np.isin(values, list(_NAMES))] += len(steps)
    return int(values[np.argmax(counts)])


def _other_timeframe(steps: IntArray, tf_ms: int) -> BoolArray:
    """Mark steps that belong to candles of another timeframe: shorter ones, and runs of longer ones."""
    marked: BoolArray = np.isin(steps, [other for other in _NAMES if other < tf_ms])
    longer = np.isin(steps, [other for other in _NAMES if other > tf_ms])
    if not longer.any():
        return marked
    rows = np.flatnonzero(longer)
    for start, stop in zip(rows[: -_RUN + 1], rows[_RUN - 1 :], strict=True):
        if stop - start == _RUN - 1 and len(set(steps[start : stop + 1].tolist())) == 1:
            marked[start : stop + 1] = True
    return marked
