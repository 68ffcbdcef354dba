import pytest

from cab_core.testing import story
from cab_strategy_keltner_squeeze import KeltnerSqueeze

#: Closes that hardly move within wide bars: the Bollinger bands lie inside the Keltner channel.
CALM = [100.0, 100.1] * 30


def answer_to(closes, **options):
    return KeltnerSqueeze(**options).signals(story(closes, wick=0.005))


def acts(answer):
    return [(k, answer.row(k)) for k in answer.action.nonzero()[0].tolist()]


def test_a_calm_market_is_squeezed():
    decision = answer_to(CALM).row(-1)
    assert (decision.reason, decision.data["squeeze_on"]) == ("squeeze_on", 1.0)


@pytest.mark.parametrize(
    ("step", "action", "reason"),
    [(1.0, "buy", "squeeze_release_up"), (-1.0, "sell", "squeeze_momentum_down")],
)
def test_the_release_is_traded_in_its_direction(step, action, reason):
    answer = answer_to([*CALM, *[100.0 + step * k for k in range(1, 8)]])
    release = next(k for k in range(60, 67) if answer.data["squeeze_on"][k] == 0.0)
    decision = answer.row(release)
    assert (decision.action, decision.reason) == (action, reason)
    strength = min(1.0, abs(decision.data["momentum"]) / decision.data["atr"])
    assert decision.confidence == pytest.approx(0.4 + 0.6 * strength)


def test_a_release_stays_fresh_for_a_few_bars():
    closes = [*CALM, *[100.0 + k for k in range(1, 8)]]
    fresh = [
        len([k for k, d in acts(answer_to(closes, release_valid_bars=n)) if d.action == "buy"])
        for n in (1, 3)
    ]
    assert fresh == [1, 3]
    assert answer_to(closes, release_valid_bars=1).row(-1).reason == "no_squeeze_release"


def test_a_short_squeeze_does_not_count():
    closes = [*CALM, *[100.0 + k for k in range(1, 8)]]
    assert not [d for k, d in acts(answer_to(closes, min_squeeze_bars=50)) if k >= 74 and d.action == "buy"]
    wild = [100.0 + 5 * (k % 2) for k in range(50)]
    brief = [*wild, *CALM[:2], *[100.0 + k for k in range(1, 8)]]
    assert not [d for k, d in acts(answer_to(brief)) if k >= 50 and d.action == "buy"]


def test_warm_up_holds():
    assert KeltnerSqueeze().warmup_bars() == 42
    assert KeltnerSqueeze(min_squeeze_bars=50).warmup_bars() == 74
    assert [answer_to(CALM[:n]).row(-1).reason for n in (41, 42)] == ["not_enough_bars", "squeeze_on"]


@pytest.mark.parametrize(
    ("option", "value", "allowed"), [("length", 4, r"\[5, 200\]"), ("min_squeeze_bars", 0, r"\[1, 50\]")]
)
def test_options_out_of_range_are_refused_with_name_and_value(option, value, allowed):
    with pytest.raises(ValueError, match=f"{option} = {value} is not in {allowed}"):
        KeltnerSqueeze(**{option: value})
