"""Reversion to the volume-weighted average price."""

from cab_core.sdk import (
    NOT_ENOUGH_BARS,
    Action,
    Bars,
    Signals,
    Strategy,
    When,
    decide,
    hookimpl,
    indicators,
    option,
    plugin,
)

#: Bars of the UTC day from which its VWAP means something.
DAY_BARS = 16
#: Deviations beyond ``z_enter`` at which a signal has full strength.
FULL_STRENGTH = 1.5


@plugin
class VwapReversion(Strategy):
    """Buy well below the VWAP once the price turns up; sell well above it.

    Source: volume-weighted average price with deviation bands.
    """

    window: int = option(
        96, ge=8, le=500, help="bars of the rolling VWAP; 96 bars of 15 minutes are 24 hours"
    )
    z_enter: float = option(1.5, gt=0, lt=5, help="deviations from the VWAP that make a signal")
    z_exit: float = option(0.3, ge=0, lt=5, help="deviations that count as back at the VWAP; below z_enter")
    exit_at_vwap: bool = option(default=False, help="sell as soon as the price is back at the VWAP")
    anchor: str = option(
        "rolling", choices=("rolling", "utc_day"), help="last window bars, or bars of the UTC day"
    )

    def __attrs_post_init__(self) -> None:
        if self.z_exit >= self.z_enter:
            raise ValueError(f"z_exit = {self.z_exit} must be less than z_enter = {self.z_enter}")

    def warmup_bars(self) -> int:
        """Bars until the rolling VWAP is defined."""
        return self.window

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Answer for every bar of the window."""
        vwap, sv, z = self._vwap(bars)
        below = z <= -self.z_enter
        not_rising = bars.close <= indicators.previous(bars.close)
        table = [
            When(vwap != vwap, Action.HOLD, "no_volume"),  # undefined only without any volume
            When(sv == 0.0, Action.HOLD, "flat"),
            When(z >= self.z_enter, Action.SELL, "above_vwap", (z - self.z_enter) / FULL_STRENGTH),
            When((z >= -self.z_exit) & self.exit_at_vwap, Action.SELL, "vwap_reached"),
            When(below & not_rising, Action.HOLD, "falling"),
            When(below, Action.BUY, "below_vwap", (-z - self.z_enter) / FULL_STRENGTH),
            When(abs(z) <= self.z_exit, Action.HOLD, "z_converged"),
        ]
        if self.anchor == "utc_day":
            too_early = indicators.utc_day_bars(bars.ts_ms) < DAY_BARS
            table.insert(0, When(too_early, Action.HOLD, NOT_ENOUGH_BARS))
        return decide(
            len(bars), self.warmup_bars(), table, "weak_deviation", {"vwap": vwap, "sv": sv, "z": z}
        )

    def _vwap(self, bars: Bars) -> indicators.Vwap:
        if self.anchor == "utc_day":
            return indicators.utc_day_vwap(bars.ts_ms, bars.high, bars.low, bars.close, bars.volume)
        return indicators.rolling_vwap(bars.high, bars.low, bars.close, bars.volume, self.window)
