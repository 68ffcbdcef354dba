from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.fusion import FusionMode, FusionSettings, ai_weight, fuse, usable
from cab_core.domain.signals import ACTIONS

unit = st.floats(0, 1)


def one(action: int, confidence: float, p: float | None, settings: FusionSettings) -> float:
    return float(fuse(np.array([[action]], np.int8), np.array([[confidence]]), p, settings)[0, 0])


def test_fused_confidences_equal_the_reference(vectors: Callable[[str], Any]) -> None:
    cases = vectors("cases_a.json")["fusion"]
    assert {case["mode"] for case in cases} == {"linear", "nonlinear"}
    for case in cases:
        settings = FusionSettings(mode=case["mode"])
        p = None if case["p"] is None else float(case["p"])
        found = one(ACTIONS[case["action"]], case["tech"], p, settings)
        assert found == pytest.approx(case["expected"], abs=1e-9), case
        if case["action"] != "hold":
            assert float(ai_weight(usable(p), settings)) == pytest.approx(case["w_ai"], abs=1e-9)


@given(unit, st.one_of(st.none(), st.floats(allow_infinity=True)), st.sampled_from(FusionMode), unit)
def test_a_sell_is_never_weakened_and_every_result_is_a_confidence(
    confidence: float, p: float | None, mode: FusionMode, w_ai: float
) -> None:
    settings = FusionSettings(mode=mode, w_ai=w_ai)
    assert confidence <= one(-1, confidence, p, settings) <= 1
    assert 0 <= one(1, confidence, p, settings) <= 1
    assert one(0, 0.0, p, settings) == 0


@given(unit, st.sampled_from([-0.01, 1.01, float("nan"), float("inf"), None]))
def test_what_is_no_probability_leaves_the_technical_confidence(confidence: float, p: float | None) -> None:
    assert one(1, confidence, p, FusionSettings()) == confidence


def test_a_model_that_is_sure_of_either_is_heard() -> None:
    heard = FusionSettings(w_ai=1.0)
    assert (one(1, 0.5, 0.0, heard), one(1, 0.5, 1.0, heard)) == (0.0, 1.0)


@given(unit)
def test_an_undecided_model_changes_nothing_in_nonlinear_mode(confidence: float) -> None:
    assert one(1, confidence, 0.5, FusionSettings(mode=FusionMode.NONLINEAR)) == confidence


@given(
    st.lists(st.tuples(st.sampled_from([-1, 0, 1]), unit, st.one_of(unit, st.just(np.nan))), min_size=1),
    st.sampled_from(FusionMode),
    st.floats(0.25, 4),
)
def test_one_bar_and_a_block_of_bars_agree(
    cells: list[tuple[int, float, float]], mode: FusionMode, gamma: float
) -> None:
    settings = FusionSettings(mode=mode, gamma=gamma)
    action = np.array([[a for a, _, _ in cells]], np.int8)
    confidence = np.array([[c for _, c, _ in cells]])
    block = fuse(action, confidence, [p for _, _, p in cells], settings)
    assert block[0].tolist() == [one(a, c, p, settings) for a, c, p in cells]


def test_weights_that_do_not_sum_to_one_are_refused() -> None:
    with pytest.raises(ValueError, match=r"w_technical \(0.6\) and w_ai \(0.35\) must sum to 1.0"):
        FusionSettings(w_technical=0.6, w_ai=0.35)
    assert FusionSettings(w_technical=0.65, w_ai=0.35 + 9e-7).w_ai == 0.35 + 9e-7


def test_the_weight_of_the_model_is_the_rest_of_the_technical_one() -> None:
    assert FusionSettings().w_ai == 0.35
    assert FusionSettings(w_technical=0.8).w_ai == pytest.approx(0.2)


@pytest.mark.parametrize("bad", [{"w_ai": 1.1}, {"w_technical": 1.2}, {"gamma": 0.2}, {"gamma": 4.1}])
def test_settings_out_of_range_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"w_ai|gamma"):
        FusionSettings(**bad)  # type: ignore[arg-type] # only floats are given
