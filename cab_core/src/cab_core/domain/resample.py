"""Higher timeframes from lower ones: epoch-aligned buckets, weeks from Monday (spec 2)."""

from __future__ import annotations

import attrs
import numpy as np

from cab_core.domain.bars import Bars, BoolArray, IntArray
from cab_core.domain.timeframes import TIMEFRAMES, origin_ms


@attrs.frozen(eq=False, slots=True)
class Buckets:
    """All buckets that hold at least one candle, complete or not.

    Attributes:
        bars: open first, high max, low min, close last, volume sum of the children.
        children: int64 column: how many real (not synthetic) candles each bucket holds.
        complete: bool column: every child is present and real.
    """

    bars: Bars
    children: IntArray
    complete: BoolArray


def resample(bars: Bars, from_tf: str, to_tf: str) -> Bars:
    """Return the complete buckets of ``to_tf``.

    Args:
        bars: candles of ``from_tf``, strictly increasing and on its grid.
        from_tf: their timeframe, a key of `TIMEFRAMES`.
        to_tf: the wanted timeframe; ``1w`` starts on Mondays 00:00 UTC.

    Raises:
        ValueError: ``to_tf`` is not a multiple of ``from_tf``.
    """
    every = buckets(bars, from_tf, to_tf)
    return every.bars if every.complete.all() else every.bars.take(every.complete)


def traded(bars: Bars, from_tf: str, to_tf: str) -> Buckets:
    """Return the buckets of ``to_tf`` made of what traded; arguments and errors as for `resample`.

    A missing child is one in which nothing traded. The first bucket counts from its first child on, the last
    one up to its last: where those are missing, the candles may begin or end inside it, and it is left out.
    """
    every = buckets(bars, from_tf, to_tf)
    if len(every.bars) == 0:
        return every
    child_ms, bucket_ms = TIMEFRAMES[from_tf], TIMEFRAMES[to_tf]
    first = int(bars.ts_ms[0] != every.bars.ts_ms[0])
    last = len(every.bars) - int(bars.ts_ms[-1] + child_ms != every.bars.ts_ms[-1] + bucket_ms)
    return Buckets(every.bars[first:last], every.children[first:last], every.complete[first:last])


def buckets(bars: Bars, from_tf: str, to_tf: str) -> Buckets:
    """Return every bucket of ``to_tf`` that holds a candle; arguments and errors as for `resample`."""
    child_ms, bucket_ms = TIMEFRAMES[from_tf], TIMEFRAMES[to_tf]
    if bucket_ms % child_ms:
        raise ValueError(f"cannot build {to_tf} candles from {from_tf} candles")
    if len(bars) == 0:
        return Buckets(bars, np.zeros(0, np.int64), np.zeros(0, np.bool_))
    origin = origin_ms(bucket_ms)
    bucket = (bars.ts_ms - origin) // bucket_ms
    first = np.concatenate(([0], np.flatnonzero(np.diff(bucket)) + 1))
    last = np.concatenate((first[1:], [len(bars)])) - 1
    real = np.add.reduceat((~bars.synthetic).astype(np.int64), first)
    merged = Bars(
        bucket[first] * bucket_ms + origin,
        bars.open[first],
        np.maximum.reduceat(bars.high, first),
        np.minimum.reduceat(bars.low, first),
        bars.close[last],
        np.add.reduceat(bars.volume, first),
        np.zeros(len(first), np.bool_),
    )
    return Buckets(merged, real, real == bucket_ms // child_ms)
