"""Release of a volatility squeeze."""

from cab_core.sdk import (
    Action,
    Bars,
    BoolArray,
    Signals,
    Strategy,
    When,
    decide,
    hookimpl,
    indicators,
    option,
    plugin,
)


@plugin
class KeltnerSqueeze(Strategy):
    """Buy when the Bollinger bands leave the Keltner channel again and momentum is positive and growing.

    Source: TTM Squeeze (Carter 2005) with the linear-regression momentum.
    """

    length: int = option(20, ge=5, le=200, help="bars of the bands, the channel and the momentum")
    bb_std: float = option(2.0, gt=0.5, lt=5, help="distance of the Bollinger bands in standard deviations")
    atr_period: int = option(20, ge=2, le=200, help="bars of the ATR")
    keltner_mult: float = option(1.5, gt=0, le=10, help="distance of the channel in average true ranges")
    min_squeeze_bars: int = option(3, ge=1, le=50, help="bars a squeeze must have lasted")
    release_valid_bars: int = option(3, ge=1, le=24, help="bars for which a release stays fresh")

    def warmup_bars(self) -> int:
        """Bars until the momentum and the squeeze have the past the rules look at."""
        return max(
            2 * self.length - 1 + self.release_valid_bars,
            self.atr_period + 1 + self.min_squeeze_bars + self.release_valid_bars,
        )

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Answer for every bar of the window."""
        atr = indicators.atr(bars.high, bars.low, bars.close, self.atr_period)
        momentum = indicators.squeeze_momentum(bars.high, bars.low, bars.close, self.length)
        squeezed = self._squeezed(bars)
        released = self._released(squeezed) & ~squeezed
        was_positive = indicators.previous(indicators.highest(momentum, self.release_valid_bars)) >= 0.0
        growing = momentum > indicators.previous(momentum)
        strength = indicators.ratio(abs(momentum), atr)
        down = (momentum < 0.0) & (was_positive | released)
        up = released & (momentum > 0.0) & growing
        table = [
            When(down, Action.SELL, "squeeze_momentum_down", strength),
            When(up, Action.BUY, "squeeze_release_up", strength),
            When(squeezed, Action.HOLD, "squeeze_on"),
        ]
        data = {"momentum": momentum, "squeeze_on": squeezed.astype(float), "atr": atr}
        return decide(len(bars), self.warmup_bars(), table, "no_squeeze_release", data)

    def _squeezed(self, bars: Bars) -> BoolArray:
        """Say where the Bollinger bands lie within the Keltner channel."""
        bands = indicators.bollinger(bars.close, self.length, self.bb_std)
        channel = indicators.keltner(
            bars.high, bars.low, bars.close, self.length, self.atr_period, self.keltner_mult
        )
        return (bands.upper < channel.upper) & (bands.lower > channel.lower)

    def _released(self, squeezed: BoolArray) -> BoolArray:
        """Say where a squeeze of the least length ended within the last ``release_valid_bars`` bars."""
        lasted = indicators.previous(indicators.lowest(squeezed.astype(float), self.min_squeeze_bars)) > 0.0
        ended = (lasted & ~squeezed).astype(float)
        return indicators.highest(ended, self.release_valid_bars) > 0.0
