"""EMA trend state with an ATR volatility ceiling."""

from cab_core.sdk import Action, Bars, Signals, Strategy, When, decide, hookimpl, indicators, option, plugin


@plugin
class EmaAtr(Strategy):
    """Long while the short average is above the long one, unless the market is too wild or too slow.

    Source: double moving-average trend following; ATR from Wilder 1978.
    """

    ema_short: int = option(12, ge=2, le=200, help="bars of the short EMA")
    ema_long: int = option(26, ge=3, le=400, help="bars of the long EMA; more than ema_short")
    atr_period: int = option(14, ge=2, le=200, help="bars of the ATR")
    atr_max_pct: float = option(1000.0, gt=0, help="no entry while the ATR exceeds this percent of the price")
    ema_min_slope: float = option(
        0.0, ge=-5, le=5, help="no entry while the short EMA rises less, in percent of the price per bar"
    )

    def __attrs_post_init__(self) -> None:
        if self.ema_short >= self.ema_long:
            raise ValueError(f"ema_short = {self.ema_short} must be less than ema_long = {self.ema_long}")

    def warmup_bars(self) -> int:
        """Bars until both averages, the ATR and the slope are defined."""
        return max(self.ema_long, self.atr_period) + 1

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Answer for every bar of the window."""
        short = indicators.ema(bars.close, self.ema_short)
        long = indicators.ema(bars.close, self.ema_long)
        atr = indicators.atr(bars.high, bars.low, bars.close, self.atr_period)
        atr_pct = 100.0 * atr / bars.close
        slope = 100.0 * (short - indicators.previous(short)) / bars.close
        strength = indicators.ratio(abs(short - long), atr)
        bull = short > long
        table = [
            When(short < long, Action.SELL, "ema_bear", strength),
            When(bull & (atr_pct > self.atr_max_pct), Action.HOLD, "atr_too_high"),
            When(bull & (slope < self.ema_min_slope), Action.HOLD, "slope_too_low"),
            When(bull, Action.BUY, "ema_bull", strength),
        ]
        data = {"ema_short": short, "ema_long": long, "atr": atr, "atr_pct": atr_pct, "slope": slope}
        return decide(len(bars), self.warmup_bars(), table, "ema_flat", data)
