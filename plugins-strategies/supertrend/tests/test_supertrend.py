import pytest

from cab_core.testing import story
from cab_strategy_supertrend import Supertrend

FALL = [200.0 - k for k in range(60)]
RISE = [141.0 + 2 * k for k in range(30)]


def test_sells_while_the_trend_points_down():
    decision = Supertrend().signals(story(FALL)).row(-1)
    assert (decision.action, decision.reason) == ("sell", "supertrend_down")
    assert decision.data["direction"] == -1.0
    distance = (decision.data["supertrend"] - FALL[-1]) / (6 * decision.data["atr"])
    assert decision.confidence == pytest.approx(0.4 + 0.6 * distance)


@pytest.mark.parametrize("valid", [1, 3, 6])
def test_buys_for_a_few_bars_after_the_flip_up(valid):
    answer = Supertrend(flip_valid_bars=valid).signals(story([*FALL, *RISE]))
    buys = answer.action.nonzero()[0][answer.action[answer.action.nonzero()] == 1]
    assert len(buys) == valid
    assert buys.tolist() == list(range(buys[0], buys[0] + valid))
    assert answer.row(int(buys[0])).reason == "supertrend_flip_up"
    assert answer.row(int(buys[0]) - 1).reason == "supertrend_down"
    assert answer.row(-1).reason == "supertrend_up_no_flip"


def test_warm_up_holds():
    assert Supertrend().warmup_bars() == 50
    assert Supertrend(atr_period=60).warmup_bars() == 64
    reasons = [Supertrend().signals(story(FALL[:n])).row(-1).reason for n in (49, 50)]
    assert reasons == ["not_enough_bars", "supertrend_down"]


@pytest.mark.parametrize(
    ("option", "value", "allowed"), [("multiplier", 0.5, r"\(0\.5, 10\)"), ("atr_period", 1, r"\[2, 200\]")]
)
def test_options_out_of_range_are_refused_with_name_and_value(option, value, allowed):
    with pytest.raises(ValueError, match=f"{option} = {value} is not in {allowed}"):
        Supertrend(**{option: value})
