"""Candles as compact chart data: exact prices as integers in base64, times as stretches without a hole."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from cab_core.domain.bars import Bars, BoolArray, FloatArray
from cab_core.domain.resample import buckets
from cab_core.domain.timeframes import TF_MS, TIMEFRAMES

#: Candles of all symbols together that a report holds at most at full resolution: about 22 bytes each.
BUDGET = 250_000

#: Exact candles shown before the entry and after the close of a trade, where the rest is coarser.
BEFORE, AFTER = 32, 16

#: Coarser timeframes for histories over the budget, finest first.
_COARSER = ("1h", "4h", "1d")

_INT32_MAX = 2**31 - 1
_MOST_DECIMALS = 9


def candle_sets(bars: Bars, spans_ms: Iterable[tuple[int, int]], budget: int) -> list[dict[str, Any]]:
    """Return the candles of one symbol, the finest set first.

    Within ``budget`` all 15m candles are given. Otherwise the finest timeframe that fits covers everything,
    and a set of exact candles covers the surroundings of the trades.

    Args:
        bars: prepared 15m bars.
        spans_ms: entry and close time of each trade.
        budget: most candles that may be given for the whole history.
    """
    if len(bars) <= budget:
        return [_packed(bars, TF_MS)]
    around = _around(bars, spans_ms)
    for name in _COARSER:
        coarse = buckets(bars, "15m", name).bars
        if len(coarse) <= budget or name == _COARSER[-1]:
            break
    sets = [_packed(coarse, TIMEFRAMES[name])]
    return [_packed(bars.take(around), TF_MS), *sets] if around.any() else sets


def _around(bars: Bars, spans_ms: Iterable[tuple[int, int]]) -> BoolArray:
    """Mark the bars near a trade."""
    edges = np.zeros(len(bars) + 1, np.int64)
    for opened, closed in spans_ms:
        first = int(np.searchsorted(bars.ts_ms, opened, side="right")) - 1 - BEFORE
        last = int(np.searchsorted(bars.ts_ms, closed, side="right")) + AFTER
        edges[max(0, first)] += 1
        edges[min(len(bars), last)] -= 1
    marked: BoolArray = np.cumsum(edges)[:-1] > 0
    return marked


def _packed(bars: Bars, tf_ms: int) -> dict[str, Any]:
    starts = np.flatnonzero(np.concatenate(([True], np.diff(bars.ts_ms) != tf_ms)))[: len(bars)]
    lengths = np.diff(np.append(starts, len(bars)))
    columns = (bars.open, bars.high, bars.low, bars.close)
    decimals = _decimals(columns)
    return {
        "tf": tf_ms // 1000,
        "runs": np.stack((bars.ts_ms[starts] // 1000, lengths), axis=1).tolist(),
        "decimals": decimals,
        **{name: _base64(column, decimals) for name, column in zip("ohlc", columns, strict=True)},
    }


def _decimals(columns: Iterable[FloatArray]) -> int | None:
    """Return the decimals that make all prices whole numbers of 32 bits, None if there are none such."""
    prices = np.concatenate(tuple(columns))
    largest = float(prices.max(initial=0.0))
    for decimals in range(_MOST_DECIMALS):
        scale = 10**decimals
        if largest * scale > _INT32_MAX:
            return None
        if np.array_equal((prices * scale).round() / scale, prices):
            return decimals
    return None


def _base64(prices: FloatArray, decimals: int | None) -> str:
    raw: npt.NDArray[np.generic]
    raw = prices.astype("<f8") if decimals is None else (prices * 10**decimals).round().astype("<i4")
    return base64.b64encode(raw.tobytes()).decode("ascii")
