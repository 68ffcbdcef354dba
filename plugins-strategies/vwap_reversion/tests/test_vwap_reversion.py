import itertools
import math

import pytest

from cab_core.testing import story
from cab_strategy_vwap_reversion import VwapReversion

WAVE = [100.0, 101.0] * 50


def last(closes, volume=100.0, wick=0.0, **options):
    return VwapReversion(**options).signals(story(closes, volume=volume, wick=wick)).row(-1)


def z_score(closes):
    """Return the z of the last of wickless candles with equal volume, straight from the definition."""
    typical = [(max(a, b) + min(a, b) + b) / 3 for a, b in itertools.pairwise(closes)][-96:]
    mean = math.fsum(typical) / 96
    return (closes[-1] - mean) / math.sqrt(math.fsum((x - mean) ** 2 for x in typical) / 96)


def test_buys_below_the_average_once_the_price_turns_up():
    falling, turning = [*WAVE, 99.0], [*WAVE, 99.0, 99.2]
    assert last(falling).reason == "falling"
    decision = last(turning)
    assert (decision.action, decision.reason) == ("buy", "below_vwap")
    assert decision.data["z"] == pytest.approx(z_score(turning))
    assert decision.confidence == pytest.approx(0.4 + 0.6 * min(1.0, (-z_score(turning) - 1.5) / 1.5))


def test_sells_above_the_average():
    decision = last([*WAVE, 101.4])
    assert (decision.action, decision.reason) == ("sell", "above_vwap")
    assert decision.confidence == pytest.approx(0.4 + 0.6 * min(1.0, (z_score([*WAVE, 101.4]) - 1.5) / 1.5))


def test_near_the_average_it_holds_or_leaves_as_told():
    near = [*WAVE, 100.5]
    assert last(near).reason == "z_converged"
    assert last([*WAVE, 100.6]).reason == "weak_deviation"
    decision = last(near, exit_at_vwap=True)
    assert (decision.action, decision.reason, decision.confidence) == ("sell", "vwap_reached", 0.4)


def test_without_volume_or_movement_it_holds():
    assert last(WAVE, volume=0.0).reason == "no_volume"
    assert last([0.1] * 120).reason == "flat"


def test_the_day_anchor_needs_sixteen_bars_of_the_day():
    # The story starts at midnight, so bar 96 is the first of the second day.
    answer = VwapReversion(anchor="utc_day").signals(story([*WAVE[:96], *[200.0, 201.0] * 10]))
    assert {answer.row(k).reason for k in range(96, 111)} == {"not_enough_bars"}
    assert answer.row(111).reason != "not_enough_bars"
    assert answer.row(111).data["vwap"] > 195.0


def test_warm_up_holds():
    assert VwapReversion().warmup_bars() == 96
    assert [last([*WAVE[:n], 100.6]).reason for n in (94, 95)] == ["not_enough_bars", "weak_deviation"]


def test_options_out_of_range_are_refused_with_name_and_value():
    with pytest.raises(ValueError, match=r"z_exit = 1\.5 must be less than z_enter = 1\.5"):
        VwapReversion(z_exit=1.5)
    with pytest.raises(ValueError, match=r"anchor = 'week' is not in rolling \| utc_day"):
        VwapReversion(anchor="week")
    with pytest.raises(ValueError, match=r"window = 7 is not in \[8, 500\]"):
        VwapReversion(window=7)
