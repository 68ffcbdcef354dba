"""Touches of the Bollinger bands."""

from cab_core.sdk import Action, Bars, Signals, Strategy, When, decide, hookimpl, indicators, option, plugin


@plugin
class BollingerBands(Strategy):
    """Buy at the lower band unless the bands are squeezed together; sell at the upper band.

    Source: Bollinger, "Bollinger on Bollinger Bands" (2001), with the population deviation.
    """

    period: int = option(20, ge=5, le=400, help="bars of mean and deviation")
    std_dev: float = option(2.0, gt=0.5, lt=5, help="distance of the bands in standard deviations")
    squeeze_threshold: float = option(
        0.005, ge=0, le=0.5, help="no entry while the bands' distance is a smaller fraction of the price"
    )

    def warmup_bars(self) -> int:
        """Bars until the bands are defined."""
        return self.period

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Answer for every bar of the window."""
        close = bars.close
        upper, mid, lower, sigma = indicators.bollinger(close, self.period, self.std_dev)
        width = (upper - lower) / mid
        at_lower = close <= lower
        table = [
            When(sigma == 0.0, Action.HOLD, "flat"),
            When(close >= upper, Action.SELL, "touch_upper_band", indicators.ratio(close - upper, sigma)),
            When(at_lower & (width < self.squeeze_threshold), Action.HOLD, "squeeze"),
            When(at_lower, Action.BUY, "touch_lower_band", indicators.ratio(lower - close, sigma)),
        ]
        data = {"bb_upper": upper, "bb_mid": mid, "bb_lower": lower, "bb_width": width}
        return decide(len(bars), self.warmup_bars(), table, "within_bands", data)
