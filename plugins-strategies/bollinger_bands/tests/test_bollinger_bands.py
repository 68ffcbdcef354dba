import statistics

import pytest

from cab_core.testing import story
from cab_strategy_bollinger_bands import BollingerBands

WAVE = [100.0, 101.0] * 15


@pytest.mark.parametrize(
    ("last", "action", "reason"), [(94.0, "buy", "touch_lower_band"), (107.0, "sell", "touch_upper_band")]
)
def test_a_touch_of_a_band_is_a_signal_against_it(last, action, reason):
    closes = [*WAVE, last]
    decision = BollingerBands().signals(story(closes)).row(-1)
    mean, sigma = statistics.fmean(closes[-20:]), statistics.pstdev(closes[-20:])
    beyond = abs(last - mean) / sigma - 2.0
    assert (decision.action, decision.reason) == (action, reason)
    assert decision.confidence == pytest.approx(0.4 + 0.6 * min(1.0, beyond))


def test_squeezed_bands_hold_back_the_entry_only():
    strategy = BollingerBands(squeeze_threshold=0.5)
    assert strategy.signals(story([*WAVE, 94.0])).row(-1).reason == "squeeze"
    assert strategy.signals(story([*WAVE, 107.0])).row(-1).action == "sell"


def test_within_the_bands_it_holds():
    assert BollingerBands().signals(story(WAVE)).row(-1).reason == "within_bands"


def test_a_price_that_stopped_moving_is_flat():
    answer = BollingerBands().signals(story([*WAVE, *[100.7] * 20]))
    assert [answer.row(k).reason for k in (-2, -1)] == ["within_bands", "flat"]


def test_warm_up_holds():
    assert BollingerBands(period=30).warmup_bars() == 30
    reasons = [BollingerBands().signals(story(WAVE[:n])).row(-1).reason for n in (19, 20)]
    assert reasons == ["not_enough_bars", "within_bands"]


@pytest.mark.parametrize(
    ("option", "value", "allowed"), [("period", 4, r"\[5, 400\]"), ("std_dev", 5, r"\(0\.5, 5\)")]
)
def test_options_out_of_range_are_refused_with_name_and_value(option, value, allowed):
    with pytest.raises(ValueError, match=f"{option} = {value} is not in {allowed}"):
        BollingerBands(**{option: value})
