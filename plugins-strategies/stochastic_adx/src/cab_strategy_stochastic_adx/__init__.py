"""Stochastic crosses in a market that trends."""

from cab_core.sdk import (
    Action,
    Bars,
    FloatArray,
    Signals,
    Strategy,
    When,
    decide,
    hookimpl,
    indicators,
    option,
    plugin,
)

#: ADX at which trend strength counts in full.
STRONG_TREND = 50.0


@plugin
class StochasticAdx(Strategy):
    """Buy when %K crosses above %D from low ground in a trend; sell on a cross from high ground.

    Source: Stochastics from Lane, ADX from Wilder 1978.
    """

    k_period: int = option(14, ge=2, le=200, help="bars of the range in which the close is placed")
    k_smooth: int = option(3, ge=1, le=50, help="bars that smooth the raw place to %K")
    d_period: int = option(3, ge=1, le=50, help="bars that smooth %K to %D")
    adx_period: int = option(14, ge=2, le=200, help="bars of the ADX")
    adx_min: float = option(18.0, ge=0, lt=50, help="no entry while the ADX is lower")
    buy_max_k: float = option(40.0, gt=0, lt=100, help="%K below which a cross up counts")
    sell_min_k: float = option(60.0, gt=0, lt=100, help="%K above which a cross down counts")

    def warmup_bars(self) -> int:
        """Bars until the ADX is defined and %D has a past of one bar."""
        return max(2 * self.adx_period, self.k_period + self.k_smooth + self.d_period - 1)

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Answer for every bar of the window."""
        high, low, close = bars.high, bars.low, bars.close
        _, k, d = indicators.stochastic(high, low, close, self.k_period, self.k_smooth, self.d_period)
        adx = indicators.adx(high, low, close, self.adx_period)
        lead = k - d
        past_lead = indicators.previous(lead)
        down = (lead < 0.0) & (past_lead >= 0.0) & (k > self.sell_min_k)
        up = (lead > 0.0) & (past_lead <= 0.0) & (k < self.buy_max_k)
        trend = 0.5 * _share(adx - self.adx_min, STRONG_TREND - self.adx_min)
        height = 0.5 * _share(k - self.sell_min_k, 100.0 - self.sell_min_k)
        depth = 0.5 * _share(self.buy_max_k - k, self.buy_max_k)
        table = [
            When(down, Action.SELL, "stoch_cross_down", height + trend),
            When(up & (adx < self.adx_min), Action.HOLD, "low_trend_strength"),
            When(up, Action.BUY, "stoch_cross_up", depth + trend),
        ]
        return decide(len(bars), self.warmup_bars(), table, "stoch_neutral", {"k": k, "d": d, "adx": adx})


def _share(part: FloatArray, whole: float) -> FloatArray:
    """Return ``clamp(part / whole, 0, 1)``; clamped first, so that a tiny whole does not overflow."""
    share: FloatArray = part.clip(0.0, whole) / whole
    return share
