"""Fresh crossover of two EMAs."""

from cab_core.sdk import Action, Bars, Signals, Strategy, When, decide, hookimpl, indicators, option, plugin


@plugin
class EmaCross(Strategy):
    """Buy when the fast average has just risen clear of the slow one; sell while it is clearly below.

    Source: moving-average crossover with a band against whipsaws.
    """

    fast_period: int = option(9, ge=2, le=399, help="bars of the fast EMA; fewer than slow_period")
    slow_period: int = option(21, ge=3, le=400, help="bars of the slow EMA")
    threshold_pct: float = option(0.1, ge=0, le=5, help="distance of the averages that counts, in percent")
    valid_bars: int = option(3, ge=1, le=24, help="bars for which a crossing stays fresh")
    atr_period: int = option(14, ge=2, le=200, help="bars of the ATR")
    max_volatility_pct: float = option(
        10.0, gt=0, help="no entry while the ATR exceeds this percent of the price"
    )

    def __attrs_post_init__(self) -> None:
        if self.fast_period >= self.slow_period:
            raise ValueError(
                f"fast_period = {self.fast_period} must be less than slow_period = {self.slow_period}"
            )

    def warmup_bars(self) -> int:
        """Bars until the slow average has a past of ``valid_bars`` and the ATR is defined."""
        return max(self.slow_period + self.valid_bars, self.atr_period + 1)

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Answer for every bar of the window."""
        fast = indicators.ema(bars.close, self.fast_period)
        slow = indicators.ema(bars.close, self.slow_period)
        atr = indicators.atr(bars.high, bars.low, bars.close, self.atr_period)
        distance = fast / slow - 1.0
        threshold = self.threshold_pct / 100.0
        was_inside = indicators.previous(indicators.lowest(distance, self.valid_bars)) <= threshold
        crossed = (distance > threshold) & was_inside
        volatile = 100.0 * atr / bars.close > self.max_volatility_pct
        strength = indicators.ratio(abs(fast - slow), atr)
        table = [
            When(distance < -threshold, Action.SELL, "ema_death_cross", strength),
            When(crossed & volatile, Action.HOLD, "volatility_too_high"),
            When(crossed, Action.BUY, "ema_golden_cross", strength),
        ]
        data = {"ema_fast": fast, "ema_slow": slow, "atr": atr, "distance_pct": 100.0 * distance}
        return decide(len(bars), self.warmup_bars(), table, "no_cross", data)
