import pytest

from cab_core.testing import story
from cab_strategy_rsi_momentum import RsiMomentum

QUIET = [100.0, 100.2] * 20
DIP = [*QUIET, *[100.0 - k for k in range(1, 9)], 94.5, 97.0]
SPIKE = [*QUIET, *[100.0 + k for k in range(1, 9)], 105.5, 103.0]


def first(answer, action):
    return next(answer.row(k) for k in range(len(answer)) if answer.row(k).action == action)


def test_buys_when_the_market_recovers_from_a_dip():
    answer = RsiMomentum().signals(story(DIP))
    assert (answer.action == -1).sum() == 0
    decision = first(answer, "buy")
    assert decision.reason == "oversold_momentum_up"
    assert decision.confidence == pytest.approx(0.4 + 0.6 * min(1.0, (decision.data["rsi"] - 30.0) / 20.0))


def test_sells_when_the_market_turns_down_from_a_spike():
    answer = RsiMomentum().signals(story(SPIKE))
    assert (answer.action == 1).sum() == 0
    decision = first(answer, "sell")
    assert decision.reason == "overbought_momentum_down"
    assert decision.confidence == pytest.approx(0.4 + 0.6 * min(1.0, (70.0 - decision.data["rsi"]) / 20.0))


def test_stays_out_while_the_dip_goes_on():
    assert RsiMomentum().signals(story(DIP[:-2])).row(-1).reason == "rsi_neutral"


def test_an_extreme_is_forgotten_after_recovery_bars():
    late = [*DIP[:-2], 95.0, *[94.9, 95.0] * 4, 97.0]
    assert RsiMomentum(recovery_bars=20).signals(story(late)).row(-1).action == "buy"
    assert RsiMomentum(recovery_bars=1).signals(story(late)).row(-1).action == "hold"


def test_a_price_that_never_moves_is_neutral():
    decision = RsiMomentum().signals(story([0.1] * 60, wick=0.0)).row(-1)
    assert (decision.reason, decision.data["rsi"]) == ("rsi_neutral", 50.0)


def test_warm_up_holds():
    assert RsiMomentum().warmup_bars() == 20
    assert RsiMomentum(momentum_period=40).warmup_bars() == 42
    reasons = [RsiMomentum().signals(story(QUIET[:n])).row(-1).reason for n in (19, 20)]
    assert reasons == ["not_enough_bars", "rsi_neutral"]


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [("oversold", 50, r"\(0, 50\)"), ("overbought", 50, r"\(50, 100\)"), ("rsi_period", 1, r"\[2, 100\]")],
)
def test_options_out_of_range_are_refused_with_name_and_value(option, value, allowed):
    with pytest.raises(ValueError, match=f"{option} = {value} is not in {allowed}"):
        RsiMomentum(**{option: value})
