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

#: The year 10000: a later stamp counts in another unit.
_LATEST_MS = 253_402_300_800_000

#: Fewer equal steps of another timeframe in a row say nothing.
_RUN = 3

#: Steps on each side of a run that tell how thin the market is there.
_NEAR = 64

#: A run that a thin market makes in one of so many files is another timeframe.
_HARDLY_EVER = 1e-6


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
    ok = later & np.isfinite(table).all(axis=1) & (stamps == np.floor(stamps))
    ok &= (stamps >= 0) & (stamps < _LATEST_MS)
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
    if stamp >= _LATEST_MS:
        return Fault(row, f"ts_ms is no time in milliseconds: {int(stamp)}", "divide microseconds by 1000")
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
    """Return the timeframe of candles, and the first row that contradicts it.

    Missing candles are legal, however many: in a thin market most steps may be longer than the timeframe.
    What contradicts it is a time off its grid, or a stretch of steps so regular that no thin market makes it.

    Args:
        ts_ms: strictly increasing open times, at least one.
    """
    if len(ts_ms) < 2:
        return "15m", Fault(
            0, "one candle does not tell its timeframe", "give a file with two candles or more"
        )
    steps = np.diff(ts_ms)
    tf_ms = _likely_timeframe(ts_ms, steps)
    name = _NAMES.get(tf_ms)
    if name is None:
        known = ", ".join(TIMEFRAMES)
        return "15m", Fault(1, f"candles {tf_ms} ms apart are of no known timeframe", f"give one of {known}")
    off_grid = ~_on_grid(ts_ms, tf_ms)
    other = np.zeros(len(ts_ms), np.bool_)
    other[1:] = np.isin(steps, [short for short in _NAMES if short < tf_ms])
    for longer in _NAMES:
        if longer > tf_ms:
            other[1:] |= _regular(ts_ms, steps, tf_ms, longer)
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


def _likely_timeframe(ts_ms: IntArray, steps: IntArray) -> int:
    """Return the longest timeframe whose grid holds all candles, unless another one is far more frequent.

    Then a few stray rows lie between candles of that other one. Where no timeframe fits, the most frequent
    step is returned.
    """
    values, counts = np.unique(steps, return_counts=True)
    often = dict(zip(values.tolist(), counts.tolist(), strict=True))
    named = {step: count for step, count in often.items() if step in _NAMES}
    if not named:
        return int(values[np.argmax(counts)])
    usual = max(named, key=lambda step: (named[step], -step))
    fitting = [tf for tf in _NAMES if _on_grid(ts_ms, tf).all()]
    grid = max(fitting, default=usual)
    return grid if 2 * named.get(grid, 0) > named[usual] else usual


def _on_grid(ts_ms: IntArray, tf_ms: int) -> BoolArray:
    aligned: BoolArray = (ts_ms - origin_ms(tf_ms)) % tf_ms == 0
    return aligned


def _regular(ts_ms: IntArray, steps: IntArray, tf_ms: int, longer_ms: int) -> BoolArray:
    """Mark runs of steps of a longer timeframe, on its grid, that a thin market would hardly ever make.

    In a market whose candles trade with probability p, a step of k candles has probability p * (1 - p)^(k-1).
    p is taken from the neighbourhood of the run or from the whole file, whichever makes the run more likely:
    trading thins out at night.
    """
    marked = np.zeros(len(steps), np.bool_)
    alike = (steps == longer_ms) & _on_grid(ts_ms[1:], longer_ms)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], alike, [False]))))
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if stop - start < _RUN:
            continue
        near = np.concatenate((steps[max(0, start - _NEAR) : start], steps[stop : stop + _NEAR]))
        rest = np.concatenate((steps[:start], steps[stop:]))
        k = longer_ms // tf_ms
        chance = max(_chance(near, tf_ms, k), _chance(rest, tf_ms, k))
        if (stop - start) * np.log(chance) + np.log(len(steps)) < np.log(_HARDLY_EVER):
            marked[start:stop] = True
    return marked


def _chance(steps: IntArray, tf_ms: int, k: int) -> float:
    """Return how likely a step of ``k`` candles is where these steps are seen."""
    traded = (len(steps) + 1) / (int(steps.sum()) // tf_ms + 2)
    return float(traded * (1 - traded) ** (k - 1))
