"""Candles as they come in: validated, holes filled or cut, and the anchored windows over them (spec 2)."""

from __future__ import annotations

import attrs
import numpy as np

from cab_core.domain.bars import Bars, BoolArray, IntArray
from cab_core.domain.timeframes import LOOKBACK_BARS, TF_MS, anchor_ms, origin_ms

#: Longest hole, in bars, that is filled; a longer one cuts the window.
MAX_HOLE = 8


@attrs.frozen(eq=False, slots=True)
class Series:
    """Candles without holes inside each stretch.

    Attributes:
        bars: N bars; filled ones are ``synthetic``.
        segment: int64 column of length N: the index of the first row of the stretch that the row belongs to.
            No window reaches back beyond it.
    """

    bars: Bars
    segment: IntArray

    def __len__(self) -> int:
        return len(self.bars)


@attrs.frozen(slots=True)
class Block:
    """Decision rows ``first..stop-1`` whose windows all begin at row ``start``.

    One vectorised pass over rows ``start..stop-1`` answers for all of them; rows before ``first`` warm it up.
    """

    start: int
    first: int
    stop: int


def sound(bars: Bars) -> BoolArray:
    """Return per row whether prices are positive, finite and within low and high, and volume is >= 0."""
    ok = (bars.low > 0) & (bars.low <= np.minimum(bars.open, bars.close))
    ok &= (np.maximum(bars.open, bars.close) <= bars.high) & (bars.high < np.inf)
    ok &= (bars.volume >= 0) & (bars.volume < np.inf)
    return ok


def validate(bars: Bars, tf_ms: int = TF_MS) -> tuple[Bars, int]:
    """Drop the rows of a feed that cannot be candles.

    Dropped are rows off the grid of ``tf_ms``, rows not later than every good row before them, and rows with
    impossible prices or volume.

    Returns:
        The good rows and the number of dropped ones.
    """
    ok = sound(bars) & ((bars.ts_ms - origin_ms(tf_ms)) % tf_ms == 0)
    rows = np.flatnonzero(ok)
    stamps = bars.ts_ms[rows]
    newest = np.maximum.accumulate(stamps)
    later = np.ones(len(rows), np.bool_)
    later[1:] = stamps[1:] > newest[:-1]
    rows = rows[later]
    dropped = len(bars) - len(rows)
    return (bars, 0) if dropped == 0 else (bars.take(rows), dropped)


def prepare(bars: Bars, tf_ms: int = TF_MS, max_hole: int = MAX_HOLE) -> Series:
    """Fill short holes with the previous close and volume 0, and cut at longer ones.

    Args:
        bars: validated bars: strictly increasing and on the grid of ``tf_ms``.
        tf_ms: their timeframe.
        max_hole: longest hole that is filled, in bars.
    """
    if len(bars) == 0:
        return Series(bars, np.zeros(0, np.int64))
    missing = np.diff(bars.ts_ms) // tf_ms - 1
    if not missing.any():
        return Series(bars, np.zeros(len(bars), np.int64))
    fill = np.where(missing <= max_hole, missing, 0)
    copies = np.ones(len(bars), np.int64)
    copies[:-1] += fill
    filled = _fill(bars, copies, tf_ms)
    cut = np.flatnonzero(missing > max_hole) + 1
    row_after = np.cumsum(copies) - copies
    starts = np.concatenate(([0], row_after[cut]))
    lengths = np.diff(np.concatenate((starts, [len(filled)])))
    return Series(filled, np.repeat(starts, lengths))


def _fill(bars: Bars, copies: IntArray, tf_ms: int) -> Bars:
    """Repeat each row ``copies`` times; every copy but the first is flat at the close, with volume 0."""
    source = np.repeat(np.arange(len(bars)), copies)
    step = np.arange(len(source)) - np.repeat(np.cumsum(copies) - copies, copies)
    extra = step > 0
    close = bars.close[source]
    return Bars(
        bars.ts_ms[source] + step * tf_ms,
        np.where(extra, close, bars.open[source]),
        np.where(extra, close, bars.high[source]),
        np.where(extra, close, bars.low[source]),
        close,
        np.where(extra, 0.0, bars.volume[source]),
        extra | bars.synthetic[source],
    )


def window_start(
    ts_ms: IntArray, segment_first: int, row: int, tf_ms: int = TF_MS, lookback: int = LOOKBACK_BARS
) -> int:
    """Return the first row of the anchored window of one decision bar.

    Args:
        ts_ms: open times of the series.
        segment_first: first row of the stretch that ``row`` belongs to.
        row: the decision bar.
        tf_ms: the timeframe.
        lookback: window length of the anchor rule, in bars.
    """
    anchor = anchor_ms(int(ts_ms[row]), tf_ms, lookback)
    return max(segment_first, int(np.searchsorted(ts_ms, anchor)))


def blocks(series: Series, tf_ms: int = TF_MS, lookback: int = LOOKBACK_BARS) -> list[Block]:
    """Group all rows into blocks that share one window start, in order and without gaps."""
    ts_ms = series.bars.ts_ms
    if len(ts_ms) == 0:
        return []
    aligned = (ts_ms - origin_ms(tf_ms)) // (lookback * tf_ms)
    new = np.flatnonzero((np.diff(aligned) != 0) | (np.diff(series.segment) != 0)) + 1
    firsts = [0, *new.tolist()]
    stops = [*firsts[1:], len(ts_ms)]
    return [
        Block(window_start(ts_ms, int(series.segment[first]), first, tf_ms, lookback), first, stop)
        for first, stop in zip(firsts, stops, strict=True)
    ]
