"""Recovery from oversold, decline from overbought."""

from cab_core.sdk import Action, Bars, Signals, Strategy, When, decide, hookimpl, indicators, option, plugin

#: Points of RSI beyond the level at which a signal has full strength.
FULL_STRENGTH = 20.0


@plugin
class RsiMomentum(Strategy):
    """Buy when the RSI has come back from oversold and momentum grows; sell on the mirror image.

    Source: RSI from Wilder 1978, rate of change as momentum.
    """

    rsi_period: int = option(14, ge=2, le=100, help="bars of the RSI")
    oversold: float = option(30.0, gt=0, lt=50, help="RSI below which the market is oversold")
    overbought: float = option(70.0, gt=50, lt=100, help="RSI above which the market is overbought")
    momentum_period: int = option(10, ge=1, le=100, help="bars of the rate of change")
    recovery_bars: int = option(5, ge=1, le=48, help="bars in which the extreme must have occurred")

    def warmup_bars(self) -> int:
        """Bars until the RSI has a past of ``recovery_bars`` and the momentum one of a bar."""
        return max(self.rsi_period + 1 + self.recovery_bars, self.momentum_period + 2)

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Answer for every bar of the window."""
        rsi = indicators.rsi(bars.close, self.rsi_period)
        roc = indicators.roc(bars.close, self.momentum_period)
        past_high = indicators.previous(indicators.highest(rsi, self.recovery_bars))
        past_low = indicators.previous(indicators.lowest(rsi, self.recovery_bars))
        past_roc = indicators.previous(roc)
        falling = (past_high > self.overbought) & (rsi < self.overbought) & (roc < past_roc)
        rising = (past_low < self.oversold) & (rsi > self.oversold) & (roc > past_roc)
        table = [
            When(falling, Action.SELL, "overbought_momentum_down", (self.overbought - rsi) / FULL_STRENGTH),
            When(rising, Action.BUY, "oversold_momentum_up", (rsi - self.oversold) / FULL_STRENGTH),
        ]
        return decide(len(bars), self.warmup_bars(), table, "rsi_neutral", {"rsi": rsi, "roc": roc})
