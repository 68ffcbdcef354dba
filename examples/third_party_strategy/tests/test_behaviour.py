"""What the strategy is meant to do, told in candles."""

import numpy as np
import pytest
from cab_core.testing import decision_of, signals_of, story

from cab_strategy_vol_momentum import VolMomentum

SHORT = {"lookback": 20}


def walk(drift, noise, bars=60):
    """Return closes that drift steadily while they jump up and down by ``noise`` in turn."""
    steps = drift + noise * (-1.0) ** np.arange(bars)
    return (100.0 * np.exp(np.cumsum(steps))).tolist()


def test_buys_a_steady_rise():
    decision = decision_of(VolMomentum(**SHORT), story(walk(0.002, 0.002)))
    assert (decision.action, decision.reason) == ("buy", "momentum_up")


def test_the_same_rise_in_a_wild_market_is_chance():
    decision = decision_of(VolMomentum(**SHORT), story(walk(0.002, 0.02)))
    assert (decision.action, decision.reason) == ("hold", "no_momentum")


def test_sells_when_the_rise_is_gone():
    decision = decision_of(VolMomentum(**SHORT), story([*walk(0.002, 0.002), *walk(-0.002, 0.002)]))
    assert (decision.action, decision.reason) == ("sell", "momentum_gone")


def test_a_market_that_stands_still_has_no_score():
    signals = signals_of(VolMomentum(**SHORT), story([100.0] * 60))
    assert not signals.action.any()


def test_the_score_counts_standard_deviations():
    decision = decision_of(VolMomentum(**SHORT), story(walk(0.002, 0.0)))
    assert decision.data["score"] == pytest.approx(np.sqrt(20))  # every step upwards: all drift, no noise


def test_leaving_above_entering_makes_no_sense():
    with pytest.raises(ValueError, match="must not be above"):
        VolMomentum(enter=0.5, leave=1.0)
