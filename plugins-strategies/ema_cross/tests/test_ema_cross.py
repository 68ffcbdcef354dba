import pytest

from cab_core.testing import story
from cab_strategy_ema_cross import EmaCross

#: 60 bars down, 40 up, 60 down.
TURNS = [200.0 - k for k in range(60)] + [141.0 + k for k in range(40)] + [180.0 - k for k in range(60)]


def runs(answer, start):
    """Return (action, reason, bars) of each run of equal decisions from ``start`` on."""
    found = []
    for k in range(start, len(answer)):
        decision = answer.row(k)
        key = (decision.action, decision.reason)
        if found and found[-1][:2] == key:
            found[-1] = (*key, found[-1][2] + 1)
        else:
            found.append((*key, 1))
    return found


def test_a_golden_cross_is_an_event_and_a_death_cross_a_state():
    found = runs(EmaCross().signals(story(TURNS)), start=23)
    assert [run[0] for run in found] == ["sell", "hold", "buy", "hold", "sell"]
    assert found[2] == ("buy", "ema_golden_cross", 3)
    assert found[4][1] == "ema_death_cross"
    assert found[4][2] > 20


def test_valid_bars_is_how_long_a_cross_stays_fresh():
    found = runs(EmaCross(valid_bars=7).signals(story(TURNS)), start=28)
    assert ("buy", "ema_golden_cross", 7) in found


def test_too_much_volatility_holds_back_the_entry_only():
    found = runs(EmaCross(max_volatility_pct=0.5).signals(story(TURNS)), start=23)
    assert ("hold", "volatility_too_high", 3) in found
    assert [run[0] for run in found if run[0] != "hold"] == ["sell", "sell"]


def test_a_distance_within_the_threshold_is_no_cross():
    calm = [100.0 + 0.01 * k for k in range(80)]
    assert EmaCross().signals(story(calm)).row(-1).reason == "no_cross"


def test_warm_up_holds():
    assert EmaCross().warmup_bars() == 24
    assert EmaCross(atr_period=40).warmup_bars() == 41
    assert EmaCross().signals(story(TURNS[:23])).row(-1).reason == "not_enough_bars"
    assert EmaCross().signals(story(TURNS[:24])).row(-1).action == "sell"


def test_options_out_of_range_are_refused_with_name_and_value():
    with pytest.raises(ValueError, match="fast_period = 30 must be less than slow_period = 21"):
        EmaCross(fast_period=30)
    with pytest.raises(ValueError, match=r"valid_bars = 25 is not in \[1, 24\]"):
        EmaCross(valid_bars=25)
