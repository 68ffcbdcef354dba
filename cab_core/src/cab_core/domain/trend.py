"""Higher-timeframe trend: a score per candle of each timeframe, combined point in time (spec 4.1 to 4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

import attrs
import numpy as np
import numpy.typing as npt

from cab_core.domain.bars import Bars, BoolArray, FloatArray, IntArray
from cab_core.domain.candles import Series, blocks
from cab_core.domain.indicators import atr, ema, ratio
from cab_core.domain.timeframes import TIMEFRAMES, TREND_LOOKBACK, TREND_TIMEFRAMES
from cab_core.domain.trend_weights import (
    BASE_WEIGHTS,
    RANK_LENGTH,
    AdaptiveTimeframeWeights,
    rolling_rank,
)

FAST, SLOW, ATR_PERIOD = 20, 50, 14

#: Candles of a timeframe that its window must hold.
MIN_CANDLES = 50

#: Decimals that scores and coverages are rounded to before they are compared.
_COMPARED_DECIMALS = 12


class Trend(IntEnum):
    """Direction of the higher timeframes; ``UNKNOWN`` where too few of them have history."""

    DOWN = -1
    FLAT = 0
    UP = 1
    UNKNOWN = 2

    @property
    def label(self) -> str:
        """The name used in traces and on every surface."""
        return self.name.lower()


@attrs.frozen(slots=True)
class TrendSettings:
    """Settings of the trend stage.

    Attributes:
        vol_sensitivity: 0 to 0.9; how far a timeframe's volatility rank moves its weight.
        min_coverage: least sum of base weights of the available timeframes; below it the trend is unknown.
        deadband: scores within it, either side of 0, are flat.
        require_up: buys need an up trend; flat is not enough.
        unknown_blocks: buys are stopped while the trend is unknown.
    """

    vol_sensitivity: float = attrs.field(
        default=0.5, validator=[attrs.validators.ge(0.0), attrs.validators.le(0.9)]
    )
    min_coverage: float = attrs.field(
        default=0.40, validator=[attrs.validators.ge(0.0), attrs.validators.le(1.0)]
    )
    deadband: float = attrs.field(
        default=0.10, validator=[attrs.validators.ge(0.0), attrs.validators.le(1.0)]
    )
    require_up: bool = False
    unknown_blocks: bool = True


@attrs.frozen(eq=False, slots=True)
class TrendColumns:
    """Values per candle of one timeframe, as aligned columns.

    Attributes:
        close_ms: when each candle closed; from then on it may be used.
        available: its window holds at least 50 candles.
        score: in [-1, 1]; 0.0 where not available.
        rank: place of its ATR % among the last 100, in (0, 1); NaN where not available.
    """

    close_ms: IntArray
    available: BoolArray
    score: FloatArray
    rank: FloatArray


@attrs.frozen(eq=False, slots=True)
class TimeframeRows:
    """One timeframe's share per decision bar: weight (0.0 where not available), score and rank."""

    weight: FloatArray
    score: FloatArray
    rank: FloatArray

    def __getitem__(self, rows: IntArray) -> TimeframeRows:
        return TimeframeRows(self.weight[rows], self.score[rows], self.rank[rows])


@attrs.frozen(eq=False, slots=True)
class TrendRows:
    """The trend per decision bar, as aligned columns of length N.

    Attributes:
        state: int8 `Trend`.
        score: weighted score S in [-1, 1].
        coverage: sum of the base weights of the available timeframes.
        parts: per timeframe its share, one row per distinct state of the higher timeframes.
        part: int64 column of length N: the row of ``parts`` that each bar saw.
    """

    state: npt.NDArray[np.int8]
    score: FloatArray
    coverage: FloatArray
    parts: Mapping[str, TimeframeRows]
    part: IntArray

    def __len__(self) -> int:
        return len(self.state)

    def timeframe(self, tf: str) -> TimeframeRows:
        """Return the share of ``tf`` as columns of length N."""
        return self.parts[tf][self.part]

    def explain(self, k: int) -> dict[str, dict[str, float]]:
        """Return ``weight``, ``score`` and ``rank`` of every timeframe available at bar ``k``."""
        at = int(self.part[k])
        return {
            tf: {
                "weight": float(rows.weight[at]),
                "score": float(rows.score[at]),
                "rank": float(rows.rank[at]),
            }
            for tf, rows in self.parts.items()
            if not np.isnan(rows.rank[at])
        }


def trend_columns(tf: str, bars: Bars) -> TrendColumns:
    """Compute score and rank of every candle of one timeframe, each on its own anchored window.

    Args:
        tf: one of `TREND_TIMEFRAMES`.
        bars: its complete candles; missing ones are left out, not filled.
    """
    n, tf_ms = len(bars), TIMEFRAMES[tf]
    passes = blocks(Series(bars, np.zeros(n, np.int64)), tf_ms, TREND_LOOKBACK[tf])
    history = RANK_LENGTH - 1
    atr_pct = np.full(n + history * len(passes), np.nan)  # each pass with the rows before it, if any
    ranked = np.zeros(len(atr_pct), np.bool_)
    position = np.empty(n, np.int64)
    score = np.empty(n)
    for b, block in enumerate(passes):
        window = bars[block.start : block.stop]
        warm, width = block.first - block.start, len(window)
        average_range = atr(window.high, window.low, window.close, ATR_PERIOD)
        gap = ema(window.close, FAST) - ema(window.close, SLOW)
        score[block.first : block.stop] = ratio(gap, 2 * average_range)[warm:]
        position[block.first : block.stop] = np.arange(warm, width)
        end = block.stop + history * (b + 1)
        ranked[end - (width - warm) : end] = True
        kept = min(width, width - warm + history)
        atr_pct[end - kept : end] = (100 * average_range / window.close)[width - kept :]
    available = position >= MIN_CANDLES - 1
    count = np.minimum(position - ATR_PERIOD + 1, RANK_LENGTH)
    rank = rolling_rank(atr_pct)[ranked] / np.maximum(count, 1)
    return TrendColumns(
        bars.ts_ms + tf_ms,
        available,
        np.where(available, np.clip(score, -1.0, 1.0), 0.0),
        np.where(available, rank, np.nan),
    )


def combine(columns_by_tf: Mapping[str, TrendColumns], at_ms: IntArray, settings: TrendSettings) -> TrendRows:
    """Combine the timeframes at decision times, from candles closed by then only.

    Args:
        columns_by_tf: the timeframes that have data.
        at_ms: close times of the decision bars, not decreasing, length N.
        settings: sensitivity, coverage and deadband.
    """
    part, points = _distinct(columns_by_tf, at_ms)
    scores, ranks = {}, {}
    for tf in TREND_TIMEFRAMES:
        scores[tf], ranks[tf] = _newest(columns_by_tf.get(tf), at_ms[points])
    weights = AdaptiveTimeframeWeights(settings.vol_sensitivity).from_ranks(ranks)
    total, coverage = np.zeros(len(points)), np.zeros(len(points))
    for tf in TREND_TIMEFRAMES:
        total += weights[tf] * scores[tf]
        coverage += np.where(np.isnan(ranks[tf]), 0.0, BASE_WEIGHTS[tf])
    coverage = np.round(coverage, _COMPARED_DECIMALS)
    state = _state(total, coverage, settings)
    parts = {tf: TimeframeRows(weights[tf], scores[tf], ranks[tf]) for tf in TREND_TIMEFRAMES}
    return TrendRows(state[part], total[part], coverage[part], parts, part)


def _distinct(columns_by_tf: Mapping[str, TrendColumns], at_ms: IntArray) -> tuple[IntArray, IntArray]:
    """Return per decision bar its stretch of unchanged candles, and the first bar of each stretch."""
    changed = np.zeros(len(at_ms) + 1, np.bool_)
    changed[0] = True
    for columns in columns_by_tf.values():
        changed[np.searchsorted(at_ms, columns.close_ms)] = True
    changed = changed[: len(at_ms)]
    return np.cumsum(changed) - 1, np.flatnonzero(changed)


def _newest(columns: TrendColumns | None, at_ms: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return score and rank of the newest candle closed at each time; 0 and NaN where there is none."""
    score, rank = np.zeros(len(at_ms)), np.full(len(at_ms), np.nan)
    if columns is not None and len(columns.close_ms):
        row = np.searchsorted(columns.close_ms, at_ms, side="right") - 1
        known = row >= 0
        score[known], rank[known] = columns.score[row[known]], columns.rank[row[known]]
    return score, rank


def _state(score: FloatArray, coverage: FloatArray, settings: TrendSettings) -> npt.NDArray[np.int8]:
    compared = np.round(score, _COMPARED_DECIMALS)
    state = np.full(len(score), Trend.FLAT, np.int8)
    state[compared > settings.deadband] = Trend.UP
    state[compared < -settings.deadband] = Trend.DOWN
    state[coverage < settings.min_coverage] = Trend.UNKNOWN
    return state
