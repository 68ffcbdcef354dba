import numpy as np
import pytest

from cab_core.sdk import Bars
from cab_core.testing import story
from cab_strategy_ema_atr import EmaAtr

RISING = [100.0 + k for k in range(60)]
FALLING = RISING[::-1]


def test_buys_in_a_rise_and_sells_in_a_fall():
    rise, fall = (EmaAtr().signals(story(closes)) for closes in (RISING, FALLING))
    assert (rise.row(-1).action, rise.row(-1).reason) == ("buy", "ema_bull")
    assert (fall.row(-1).action, fall.row(-1).reason) == ("sell", "ema_bear")


def test_confidence_weighs_the_gap_of_the_averages_with_the_range():
    # On a straight rise of 1 per bar an EMA lags by (n-1)/2, so the averages are (26-12)/2 = 7 apart.
    close = np.array(RISING)
    bars = Bars.of(np.arange(60) * 900_000, close, close + 14.0, close - 14.0, close, np.ones(60))
    decision = EmaAtr().signals(bars).row(-1)
    assert decision.data["atr"] == pytest.approx(28.0)
    assert decision.confidence == pytest.approx(0.4 + 0.6 * 7 / 28)


def test_filters_hold_back_entries_only():
    wild, slow = EmaAtr(atr_max_pct=0.1), EmaAtr(ema_min_slope=2.0)
    assert wild.signals(story(RISING)).row(-1).reason == "atr_too_high"
    assert slow.signals(story(RISING)).row(-1).reason == "slope_too_low"
    for strategy in (wild, slow):
        assert strategy.signals(story(FALLING)).row(-1).action == "sell"


@pytest.mark.parametrize("price", [100.0, 0.1, 64_123.45, 1e-9])
def test_a_price_that_never_moves_is_flat(price):
    answer = EmaAtr().signals(story([price] * 60, wick=0.0))
    assert {answer.row(k).reason for k in range(26, 60)} == {"ema_flat"}


def test_warm_up_holds():
    assert EmaAtr().warmup_bars() == 27
    assert EmaAtr(atr_period=30).warmup_bars() == 31
    reasons = [EmaAtr().signals(story(RISING[:n])).row(-1).reason for n in (26, 27)]
    assert reasons == ["not_enough_bars", "ema_bull"]


def test_options_out_of_range_are_refused_with_name_and_value():
    with pytest.raises(ValueError, match=r"ema_short = 26 must be less than ema_long = 26"):
        EmaAtr(ema_short=26)
    with pytest.raises(ValueError, match=r"ema_min_slope = 5\.5 is not in \[-5, 5\]"):
        EmaAtr(ema_min_slope=5.5)
    with pytest.raises(ValueError, match=r"atr_max_pct = 0 is not in \(0, inf\)"):
        EmaAtr(atr_max_pct=0)
