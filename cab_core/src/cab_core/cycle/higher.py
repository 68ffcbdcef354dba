"""What one symbol's higher timeframes say: trend per decision bar, hourly returns for correlation."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import attrs
import numpy as np

from cab_core.domain.bars import Bars, FloatArray, IntArray
from cab_core.domain.resample import resample
from cab_core.domain.risk import HourlyReturns
from cab_core.domain.timeframes import HOUR_MS, TREND_TIMEFRAMES
from cab_core.domain.trend import TrendColumns, TrendRows, TrendSettings, combine, trend_columns

#: Hourly returns handed to rules at most: a week, as the correlation rule looks back.
RETURNS = 168


@attrs.frozen(eq=False, slots=True)
class Higher:
    """Higher timeframes of one symbol.

    Attributes:
        columns: trend values per candle of each timeframe.
        hour_close_ms: close times of its 1h candles; ``log_returns[i]`` belongs to ``hour_close_ms[i + 1]``.
    """

    columns: Mapping[str, TrendColumns]
    hour_close_ms: IntArray
    log_returns: FloatArray

    @classmethod
    def of(cls, candles: Mapping[str, Bars]) -> Higher:
        """Compute from complete candles of 1h, 4h and 1d; weeks are built from days."""
        nothing = np.zeros(0)
        return cls({}, nothing.astype(np.int64), nothing).renewed(candles, candles)

    def renewed(self, candles: Mapping[str, Bars], changed: Collection[str]) -> Higher:
        """Return what `of` returns for candles of which only the timeframes in ``changed`` are new."""
        newer = {tf: candles[tf] for tf in changed}
        if "1d" in changed:
            newer["1w"] = resample(candles["1d"], "1d", "1w")
        columns = {**self.columns, **{tf: trend_columns(tf, bars) for tf, bars in newer.items()}}
        if "1h" not in changed:
            return Higher(columns, self.hour_close_ms, self.log_returns)
        hours = candles["1h"]
        return Higher(columns, hours.ts_ms + HOUR_MS, np.diff(np.log(hours.close)))

    @classmethod
    def resampled(cls, bars: Bars) -> Higher:
        """Compute from prepared 15m bars."""
        return cls.of({tf: resample(bars, "15m", tf) for tf in TREND_TIMEFRAMES if tf != "1w"})

    def trend(self, at_ms: IntArray, settings: TrendSettings) -> TrendRows:
        """Return the trend at decision times."""
        return combine(self.columns, at_ms, settings)

    def newest(self, at_ms: int) -> tuple[int, ...]:
        """Return, per timeframe, how many candles have closed by ``at_ms``: all that the trend depends on."""
        return tuple(
            int(columns.close_ms.searchsorted(at_ms, side="right")) for columns in self.columns.values()
        )

    def hourly_returns(self, now_ms: int) -> HourlyReturns | None:
        """Return the newest log returns known at ``now_ms``, None without any."""
        known = int(np.searchsorted(self.hour_close_ms, now_ms, side="right"))
        if known < 2:
            return None
        first = max(0, known - 1 - RETURNS)
        stamps = self.hour_close_ms[first + 1 : known] - HOUR_MS
        return HourlyReturns(stamps, self.log_returns[first : known - 1])
