"""Flips of the SuperTrend line."""

from cab_core.sdk import Action, Bars, Signals, Strategy, When, decide, hookimpl, indicators, option, plugin

#: The first direction of the line is arbitrary; this many bars let it settle.
SETTLED = 50


@plugin
class Supertrend(Strategy):
    """Buy for a few bars after the trend flips up; sell while it points down.

    Source: SuperTrend, Olivier Seban.
    """

    atr_period: int = option(10, ge=2, le=200, help="bars of the ATR")
    multiplier: float = option(3.0, gt=0.5, lt=10, help="distance of the line in average true ranges")
    flip_valid_bars: int = option(3, ge=1, le=24, help="bars for which a flip up stays fresh")

    def warmup_bars(self) -> int:
        """Bars until the direction is settled and has a past of ``flip_valid_bars``."""
        return max(SETTLED, self.atr_period + 1 + self.flip_valid_bars)

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Answer for every bar of the window."""
        high, low, close = bars.high, bars.low, bars.close
        line, direction = indicators.supertrend(high, low, close, self.atr_period, self.multiplier)
        atr = indicators.atr(high, low, close, self.atr_period)
        strength = indicators.ratio(abs(close - line), 2.0 * self.multiplier * atr)
        was_down = indicators.previous(indicators.lowest(direction, self.flip_valid_bars)) < 0.0
        table = [
            When(direction < 0.0, Action.SELL, "supertrend_down", strength),
            When(was_down, Action.BUY, "supertrend_flip_up", strength),
        ]
        data = {"supertrend": line, "direction": direction, "atr": atr}
        return decide(len(bars), self.warmup_bars(), table, "supertrend_up_no_flip", data)
