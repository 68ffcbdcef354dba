"""Breakout from the Donchian channel."""

from cab_core.sdk import Action, Bars, Signals, Strategy, When, decide, hookimpl, indicators, option, plugin


@plugin
class DonchianBreakout(Strategy):
    """Buy above the entry channel if the market moves enough; sell below the exit channel.

    Source: Donchian channels with the entry and exit lengths of the Turtle rules (Faith 2003).
    """

    channel: int = option(20, ge=2, le=400, help="bars of the entry channel")
    exit_channel: int = option(10, ge=2, le=400, help="bars of the exit channel; at most channel")
    atr_period: int = option(14, ge=2, le=200, help="bars of the ATR")
    atr_min_pct: float = option(
        0.2, ge=0, le=20, help="no entry while the ATR is less than this percent of the price"
    )

    def __attrs_post_init__(self) -> None:
        if self.exit_channel > self.channel:
            raise ValueError(
                f"exit_channel = {self.exit_channel} must not be more than channel = {self.channel}"
            )

    def warmup_bars(self) -> int:
        """Bars until the channels before the bar and the ATR are defined."""
        return max(self.channel, self.exit_channel, self.atr_period) + 1

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Answer for every bar of the window."""
        close = bars.close
        top = indicators.donchian_high(bars.high, self.channel)
        bottom = indicators.donchian_low(bars.low, self.exit_channel)
        atr = indicators.atr(bars.high, bars.low, close, self.atr_period)
        atr_pct = 100.0 * atr / close
        above = close > top
        table = [
            When(
                close < bottom, Action.SELL, "donchian_breakout_down", indicators.ratio(bottom - close, atr)
            ),
            When(above & (atr_pct < self.atr_min_pct), Action.HOLD, "atr_too_low"),
            When(above, Action.BUY, "donchian_breakout_up", indicators.ratio(close - top, atr)),
        ]
        data = {"donchian_high": top, "donchian_low": bottom, "atr": atr, "atr_pct": atr_pct}
        return decide(len(bars), self.warmup_bars(), table, "in_channel", data)
