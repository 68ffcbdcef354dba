import pytest

from cab_core.testing import story
from cab_strategy_stochastic_adx import StochasticAdx

FALL = [200.0 - k for k in range(40)]
RISE = [100.0 + k for k in range(40)]
TURN_UP = [*FALL, 162.5, 163.5]
TURN_DOWN = [*RISE, 137.5, 136.5]


def signal(closes, **options):
    answer = StochasticAdx(**options).signals(story(closes, wick=0.0))
    return next((d for d in map(answer.row, range(40, len(closes))) if d.reason != "stoch_neutral"), None)


def test_buys_when_the_stochastic_turns_up_from_low_ground_in_a_trend():
    decision = signal(TURN_UP)
    assert (decision.action, decision.reason) == ("buy", "stoch_cross_up")
    k, adx = decision.data["k"], decision.data["adx"]
    assert k < 40
    assert k > decision.data["d"]
    strength = 0.5 * (40 - k) / 40 + 0.5 * min(1.0, (adx - 18) / 32)
    assert decision.confidence == pytest.approx(0.4 + 0.6 * strength)


def test_sells_when_the_stochastic_turns_down_from_high_ground():
    decision = signal(TURN_DOWN)
    assert (decision.action, decision.reason) == ("sell", "stoch_cross_down")
    k, adx = decision.data["k"], decision.data["adx"]
    strength = 0.5 * (k - 60) / 40 + 0.5 * min(1.0, (adx - 18) / 32)
    assert decision.confidence == pytest.approx(0.4 + 0.6 * strength)


def test_without_a_trend_entries_wait_and_exits_do_not():
    waves = story([100.0 + abs(k % 20 - 10) for k in range(120)])
    patient, eager = (StochasticAdx(adx_min=level).signals(waves) for level in (49, 0))
    bought = (eager.action == 1).nonzero()[0].tolist()
    assert bought
    assert {patient.row(k).reason for k in bought} == {"low_trend_strength"}
    assert (patient.action == -1).tolist() == (eager.action == -1).tolist()
    assert (patient.action == -1).any()


def test_crosses_on_the_wrong_ground_do_not_count():
    assert signal(TURN_UP, buy_max_k=1) is None
    assert signal(TURN_DOWN, sell_min_k=99) is None


def test_a_price_that_never_moves_is_neutral():
    decision = StochasticAdx().signals(story([0.1] * 60, wick=0.0)).row(-1)
    assert (decision.reason, decision.data["k"]) == ("stoch_neutral", 50.0)


def test_warm_up_holds():
    assert StochasticAdx().warmup_bars() == 28
    assert StochasticAdx(k_period=50).warmup_bars() == 55
    reasons = [StochasticAdx().signals(story(FALL[:n])).row(-1).reason for n in (27, 28)]
    assert reasons == ["not_enough_bars", "stoch_neutral"]


@pytest.mark.parametrize(
    ("option", "value", "allowed"), [("adx_min", 50, r"\[0, 50\)"), ("buy_max_k", 0, r"\(0, 100\)")]
)
def test_options_out_of_range_are_refused_with_name_and_value(option, value, allowed):
    with pytest.raises(ValueError, match=f"{option} = {value} is not in {allowed}"):
        StochasticAdx(**{option: value})
