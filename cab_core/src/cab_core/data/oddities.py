"""What is odd about candles that are legal one by one: seen on whole columns, told with its first place."""

from __future__ import annotations

import numpy as np

from cab_core.domain.bars import Bars, BoolArray, FloatArray

#: A wick that reaches this many times beyond everything around it is no price anybody traded at.
ABSURD = 2.0

#: Candles in a row that repeat each other in price and volume: a stalled or filled-up feed.
STALLED = 10

#: Candles in a row without volume at one price: longer than a quiet day.
LIFELESS = 96

#: Candles on each side that an absurd price is held against.
_AROUND = 2


def oddities(bars: Bars, tf_ms: int, now_ms: int) -> list[str]:
    """Return a sentence for each oddity.

    Args:
        bars: candles, each legal by itself.
        tf_ms: their timeframe.
        now_ms: what has not closed by then is unfinished, what has not opened yet is not to be known.
    """
    return [text for text in (_future(bars, tf_ms, now_ms), _absurd(bars), *_alike(bars)) if text]


def _future(bars: Bars, tf_ms: int, now_ms: int) -> str:
    opened = bars.ts_ms <= now_ms
    if not opened.all():
        first = int(bars.ts_ms[int(np.argmin(opened))])
        return f"{int((~opened).sum())} candles lie in the future, the first at {utc_minute(first)} UTC"
    if bars.ts_ms[-1] + tf_ms > now_ms:
        return f"the last candle ({utc_minute(int(bars.ts_ms[-1]))} UTC) is not closed yet: it will change"
    return ""


def _absurd(bars: Bars) -> str:
    """Name prices far beyond every close around them: a crash lasts, an error does not."""
    low, high = _around(bars.close)
    odd = (bars.low * ABSURD < low) | (bars.high > high * ABSURD)
    if not odd.any():
        return ""
    row = int(np.argmax(odd))
    price = bars.low[row] if bars.low[row] * ABSURD < low[row] else bars.high[row]
    near = low[row] if price < low[row] else high[row]
    count = int(odd.sum())
    more = f" (and {count - 1} more candles)" if count > 1 else ""
    where = utc_minute(int(bars.ts_ms[row]))
    return f"a price of {price:g} among candles that close at {near:g}, at {where} UTC{more}: an absurd tick?"


def _around(close: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return per row the lowest and the highest close of the candles around it, without its own."""
    padded = np.pad(close, _AROUND, mode="edge")
    sides = [padded[_AROUND + by : _AROUND + by + len(close)] for by in range(-_AROUND, _AROUND + 1) if by]
    return np.min(sides, axis=0), np.max(sides, axis=0)


def _alike(bars: Bars) -> tuple[str, str]:
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    same = np.ones(len(bars), np.bool_)
    same[0] = False
    for column in columns:
        same[1:] &= column[1:] == column[:-1]
    traded = _longest(same & (bars.volume > 0), bars, STALLED, "repeat each other in price and volume")
    silent = _longest(same & (bars.volume == 0), bars, LIFELESS, "stand at one price without volume")
    return traded, silent


def _longest(same: BoolArray, bars: Bars, least: int, what: str) -> str:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], same, [False]))))
    if not len(edges):
        return ""
    lengths = edges[1::2] - edges[::2] + 1
    longest = int(np.argmax(lengths))
    if lengths[longest] < least:
        return ""
    first = int(bars.ts_ms[edges[::2][longest] - 1])
    runs = int(np.count_nonzero(lengths >= least))
    more = f" (and {runs - 1} more such stretches)" if runs > 1 else ""
    return f"{int(lengths[longest])} candles from {utc_minute(first)} UTC {what}{more}: a stalled feed?"


def utc_minute(ts_ms: int) -> str:
    """Return a time as people read it."""
    return str(np.datetime64(ts_ms, "ms").astype("datetime64[m]")).replace("T", " ")
