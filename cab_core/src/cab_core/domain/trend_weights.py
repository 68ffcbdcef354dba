"""Weights of the higher timeframes, moved by how volatile each one is against its own past (spec 4.2)."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
import numpy.typing as npt

from cab_core.domain.bars import FloatArray
from cab_core.domain.timeframes import TREND_TIMEFRAMES

BASE_WEIGHTS: dict[str, float] = {"1h": 0.40, "4h": 0.30, "1d": 0.20, "1w": 0.10}

#: How many values of ATR %, the current one included, a rank compares.
RANK_LENGTH = 100


def rolling_rank(values: FloatArray) -> FloatArray:
    """Count, per row, the values below it and half of those equal to it among the last `RANK_LENGTH`.

    Args:
        values: column of length N; NaN counts for nothing.

    Returns:
        ``#less + 0.5 * #equal`` per row, the row itself included; meaningless before row `RANK_LENGTH` - 1.
    """
    before = RANK_LENGTH - 1
    counts = np.zeros(len(values))
    if len(values) > before:
        current = values[before:]
        # Row s holds, for each value, the one that stands s places after the first of its window.
        windows = np.lib.stride_tricks.sliding_window_view(values, len(current))
        below = _count(windows < current)
        counts[before:] = (below + _count(windows <= current)) / 2
    return counts


def _count(holds: npt.NDArray[np.bool_]) -> FloatArray:
    """Return per column in how many rows it holds; there are few enough for a byte."""
    count: FloatArray = np.add.reduce(holds.view(np.uint8), axis=0, dtype=np.uint8).astype(np.float64)
    return count


@attrs.frozen(slots=True)
class AdaptiveTimeframeWeights:
    """Base weights raised at high and lowered at low volatility; those of available timeframes sum to 1.

    Attributes:
        vol_sensitivity: s, 0 to 0.9; ranks 0 to 1 multiply the base weight by 1-s to 1+s.
    """

    vol_sensitivity: float = attrs.field(
        default=0.5, validator=[attrs.validators.ge(0.0), attrs.validators.le(0.9)]
    )

    def calculate_weights(self, atr_data: Mapping[str, npt.ArrayLike]) -> dict[str, float]:
        """Return the weight of each timeframe from its history of ATR in percent of the close.

        Args:
            atr_data: per available timeframe its values, oldest first, the current one last; the last
                `RANK_LENGTH` count. A timeframe without a value is not available.

        Raises:
            ValueError: a name is none of the higher timeframes.
        """
        if unknown := set(atr_data) - set(BASE_WEIGHTS):
            raise ValueError(f"no such trend timeframe: {', '.join(sorted(unknown))}")
        ranks = {}
        for tf, history in atr_data.items():
            values = np.asarray(history, np.float64)[-RANK_LENGTH:]
            if len(values):
                padded = np.full(RANK_LENGTH, np.nan)
                padded[RANK_LENGTH - len(values) :] = values
                ranks[tf] = rolling_rank(padded)[-1:] / len(values)
        return {tf: float(weight[0]) for tf, weight in self.from_ranks(ranks).items()}

    def from_ranks(self, ranks: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Return the weights of the timeframes of ``ranks`` per row.

        Args:
            ranks: per timeframe a column of ranks in (0, 1), NaN where it is not available (weight 0.0).
        """
        raw = {
            tf: np.where(
                np.isnan(ranks[tf]),
                0.0,
                BASE_WEIGHTS[tf] * (1 + self.vol_sensitivity * (2 * ranks[tf] - 1)),
            )
            for tf in TREND_TIMEFRAMES
            if tf in ranks
        }
        total = np.zeros(1)
        for weight in raw.values():
            total = total + weight
        return {tf: weight / np.where(total > 0, total, 1.0) for tf, weight in raw.items()}
