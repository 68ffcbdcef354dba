"""Stages 1 to 6 for the newest closed candle of one symbol: what paper and live evaluate."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np

from cab_core.contracts import Market
from cab_core.cycle.config import CycleConfig
from cab_core.cycle.evaluate import Panel, Votes, evaluate
from cab_core.cycle.higher import Higher
from cab_core.domain.bars import Bars
from cab_core.domain.candles import prepare, validate, window_start
from cab_core.domain.timeframes import TF_MS, TIMEFRAMES
from cab_core.domain.trend import TrendRows
from cab_core.domain.volume import confirm_last
from cab_core.errors import CabError

#: Candles asked for per timeframe: the anchored windows need at most twice their lookback.
LIMITS: Mapping[str, int] = {"15m": 1000, "1h": 600, "4h": 600, "1d": 1456}


@attrs.frozen(eq=False, slots=True)
class Moment:
    """The decision bar of one symbol, evaluated.

    Attributes:
        candle_ts_ms: its open time. ``candle``: its prices and volume by name.
        votes: one row; None with strategies disabled.
        trend: one row.
        volume_ratio: relative volume, NaN if unknown.
        dropped: bad rows of the feed that were dropped.
        error: why the higher timeframes are not known as they are now: nothing but a sale may go ahead.
    """

    candle_ts_ms: int
    candle: Mapping[str, float]
    votes: Votes | None
    trend: TrendRows
    volume_ratio: float
    dropped: int
    error: CabError | None = None


class MomentReader:
    """Evaluates one symbol, candle after candle.

    Args:
        symbol: ``BASE/QUOTE``.
        market: where candles come from.
        panel: the strategies.
        config: the pure settings.

    Attributes:
        higher: the higher timeframes as of the last reading, None before the first.
    """

    def __init__(self, symbol: str, market: Market, panel: Panel, config: CycleConfig) -> None:
        self.symbol = symbol
        self.higher: Higher | None = None
        self._market = market
        self._panel = panel
        self._config = config
        self._candles: dict[str, Bars] = {}
        self._renewed: set[str] = set()
        self._trend: tuple[Higher, tuple[int, ...], TrendRows] | None = None

    async def read(self, now_ms: int) -> Moment | None:
        """Evaluate the newest candle closed by now; None if there is none."""
        bars, dropped = validate(await self._market.candles(self.symbol, "15m", LIMITS["15m"]))
        if not len(bars):
            return None
        try:
            higher = await self._higher(now_ms)
        except CabError as error:
            known = self.higher or Higher.of({})
            return attrs.evolve(self.evaluate(bars, known, dropped), error=error)
        return self.evaluate(bars, higher, dropped)

    def evaluate(self, bars: Bars, higher: Higher, dropped: int = 0) -> Moment:
        """Evaluate the last of ``bars``: pure, the part of the cycle that is timed."""
        series = prepare(bars)
        last = len(series) - 1
        start = window_start(series.bars.ts_ms, int(series.segment[last]), last)
        window = series.bars[start:]
        k = len(window) - 1
        candle_ts_ms = int(window.ts_ms[k])
        trend = self._trend_at(higher, candle_ts_ms + TF_MS)
        ratio = self._config.volume_min_ratio
        confirmed, relative = confirm_last(window, 0.0 if ratio is None else ratio)
        votes = None
        if self._config.strategies_enabled:
            volume_ok = None if ratio is None else np.array([confirmed])
            votes = evaluate(self._panel, window, k, trend.state, volume_ok, self._config)
        return Moment(candle_ts_ms, window.candle(k), votes, trend, relative, dropped)

    async def refresh(self, now_ms: int) -> None:
        """Bring the higher timeframes up to date, for other symbols' correlation."""
        await self._higher(now_ms)

    async def _higher(self, now_ms: int) -> Higher:
        """Return the higher timeframes; one is asked for until its newest closed candle is there."""
        for tf, length_ms in TIMEFRAMES.items():
            if tf not in LIMITS or tf == "15m" or self._newest(tf) == now_ms // length_ms:
                continue
            bars, _ = validate(await self._market.candles(self.symbol, tf, LIMITS[tf]), length_ms)
            before = self._newest(tf)
            self._candles[tf] = bars
            if before is None or before != self._newest(tf):
                self._renewed.add(tf)
        if self.higher is None:
            self.higher = Higher.of(self._candles)
        elif self._renewed:
            self.higher = self.higher.renewed(self._candles, self._renewed)
        self._renewed.clear()
        return self.higher

    def _newest(self, tf: str) -> int | None:
        """Return the newest close that is known, in lengths of the timeframe since the epoch."""
        bars = self._candles.get(tf)
        if bars is None:
            return None
        return int(bars.ts_ms[-1]) // TIMEFRAMES[tf] + 1 if len(bars) else 0

    def _trend_at(self, higher: Higher, at_ms: int) -> TrendRows:
        """Return the trend, computed again only when a higher candle has closed since: once an hour."""
        newest = higher.newest(at_ms)
        if self._trend is None or self._trend[0] is not higher or self._trend[1] != newest:
            self._trend = (higher, newest, higher.trend(np.array([at_ms]), self._config.trend))
        return self._trend[2]
