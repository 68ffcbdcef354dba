"""Vol momentum: a strategy for cab."""

import numpy as np
from cab_core.sdk import Action, Bars, Signals, Strategy, When, decide, hookimpl, indicators, option, plugin


@plugin
class VolMomentum(Strategy):
    """Hold what has risen by more than chance: time-series momentum in units of its own volatility.

    Sources: Moskowitz, Ooi and Pedersen, "Time series momentum" (2012), for momentum of a market against
    itself; Barroso and Santa-Clara, "Momentum has its moments" (2015), for measuring it in volatility.
    """

    lookback: int = option(96, ge=4, le=400, help="bars over which the market must have risen")
    enter: float = option(1.0, ge=0, le=5, help="score above which to buy, in standard deviations")
    leave: float = option(0.0, ge=-5, le=5, help="score below which to sell, in standard deviations")

    def __attrs_post_init__(self) -> None:
        if self.leave > self.enter:
            raise ValueError(f"leave = {self.leave} must not be above enter = {self.enter}")

    def warmup_bars(self) -> int:
        """The first score needs one return per bar of the lookback."""
        return self.lookback + 1

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Answer for every bar at once; row k may look at rows up to k only."""
        n = len(bars)
        logs = np.log(bars.close)
        returns = np.diff(logs, prepend=logs[:1])
        drift = np.full(n, np.nan)
        drift[self.lookback :] = logs[self.lookback :] - logs[: max(0, n - self.lookback)]
        variance = np.maximum(indicators.sma(returns**2, self.lookback), 0.0)
        expected = np.sqrt(self.lookback * variance)  # how far a walk without direction would have come
        score = indicators.ratio(drift, expected)
        table = [  # the first line that holds decides
            When(score < self.leave, Action.SELL, "momentum_gone", self.leave - score),
            When(score > self.enter, Action.BUY, "momentum_up", score - self.enter),
        ]
        return decide(n, self.warmup_bars(), table, "no_momentum", {"score": score})
