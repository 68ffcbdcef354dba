import pytest

from cab_core.testing import story
from cab_strategy_donchian_breakout import DonchianBreakout

RANGE = [100.0, 101.0, 102.0, 101.0] * 8


def test_a_close_above_the_channel_is_bought():
    decision = DonchianBreakout().signals(story([*RANGE, 103.0], wick=0.0)).row(-1)
    assert (decision.action, decision.reason) == ("buy", "donchian_breakout_up")
    assert decision.data["donchian_high"] == 102.0
    # True ranges were 1 until the last bar (2); Wilder's average over 14 bars is 15/14.
    assert decision.data["atr"] == pytest.approx(15 / 14)
    assert decision.confidence == pytest.approx(0.4 + 0.6 * (103 - 102) / (15 / 14))


def test_a_close_below_the_exit_channel_is_sold():
    decision = DonchianBreakout().signals(story([*RANGE, 99.5], wick=0.0)).row(-1)
    assert (decision.action, decision.reason) == ("sell", "donchian_breakout_down")
    assert decision.confidence == pytest.approx(0.4 + 0.6 * 0.5 / (14.5 / 14))


def test_touching_the_channel_is_no_breakout():
    for edge in (102.0, 100.0):
        assert DonchianBreakout().signals(story([*RANGE, edge], wick=0.0)).row(-1).reason == "in_channel"


def test_a_sleepy_market_holds_back_the_entry_only():
    strategy = DonchianBreakout(atr_min_pct=20)
    assert strategy.signals(story([*RANGE, 103.0])).row(-1).reason == "atr_too_low"
    assert strategy.signals(story([*RANGE, 99.0])).row(-1).action == "sell"


def test_the_exit_channel_is_shorter():
    closes = [90.0, *RANGE[:15], 99.0]
    assert DonchianBreakout(channel=16, exit_channel=10).signals(story(closes)).row(-1).action == "sell"
    assert DonchianBreakout(channel=16, exit_channel=16).signals(story(closes)).row(-1).action == "hold"


def test_warm_up_holds():
    assert DonchianBreakout().warmup_bars() == 21
    assert DonchianBreakout(atr_period=50).warmup_bars() == 51
    reasons = [DonchianBreakout().signals(story(RANGE[:n])).row(-1).reason for n in (20, 21)]
    assert reasons == ["not_enough_bars", "in_channel"]


def test_options_out_of_range_are_refused_with_name_and_value():
    with pytest.raises(ValueError, match="exit_channel = 21 must not be more than channel = 20"):
        DonchianBreakout(exit_channel=21)
    with pytest.raises(ValueError, match=r"atr_min_pct = 21 is not in \[0, 20\]"):
        DonchianBreakout(atr_min_pct=21)
