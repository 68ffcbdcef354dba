from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.aggregation import Aggregate, AggregationSettings, Mode, aggregate
from cab_core.domain.bars import FloatArray
from cab_core.domain.signals import ACTIONS, Action, ActionArray

SET = ("ema_atr", "donchian_breakout", "supertrend", "stochastic_adx", "keltner_squeeze", "vwap_reversion")
CODES: dict[str, int] = {str(label): int(action) for label, action in ACTIONS.items()}
WEIGHTS = (1.0, 1.2, 1.0, 0.9, 1.1, 0.8)


def row(found: Aggregate, k: int) -> tuple[str, float, str]:
    return Action(int(found.action[k])).label, float(found.confidence[k]), found.reason(k)


def assert_row(found: Aggregate, k: int, action: str, confidence: float, reason: str) -> None:
    label, sureness, why = row(found, k)
    assert (label, why) == (action, reason)
    assert sureness == pytest.approx(confidence, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("mode", Mode)
def test_hand_made_cases_equal_the_reference(mode: Mode, vectors: Callable[[str], Any]) -> None:
    for case in vectors("cases_a.json")["aggregation"]:
        names = [name for name, _ in case["decisions"]]
        settings = AggregationSettings(
            names,
            mode,
            case["min_confidence"],
            [(case["weights"] or {}).get(name, 1.0) for name in names],
        )
        action = np.array([[CODES[d[0]]] for _, d in case["decisions"]], np.int8)
        confidence = np.array([[d[1]] for _, d in case["decisions"]])
        assert_row(aggregate(action, confidence, settings), 0, *case["expected"][mode])


@pytest.mark.parametrize("market", ["synth_a", "real_btc"])
@pytest.mark.parametrize("mode", Mode)
def test_every_bar_equals_the_reference(
    market: str, mode: Mode, rows: Callable[[str], list[dict[str, str]]]
) -> None:
    decisions = {(int(r["bar"]), r["strategy"]): r for r in rows(f"decisions_{market}.csv")}
    expected = [r for r in rows(f"aggregate_{market}.csv") if r["mode"] == mode]
    n = len(expected)
    action = np.array([[CODES[decisions[k, s]["action"]] for k in range(n)] for s in SET], np.int8)
    confidence = np.array([[float(decisions[k, s]["confidence"]) for k in range(n)] for s in SET])
    weights = WEIGHTS if mode is Mode.WEIGHTED else (1.0,) * len(SET)
    settings = AggregationSettings(SET, mode, float(expected[0]["min_confidence"]), weights)
    found = aggregate(action, confidence, settings)
    for k, r in enumerate(expected):
        assert_row(found, k, r["action"], float(r["confidence"]), r["reason"])


@st.composite
def problems(draw: st.DrawFn) -> tuple[ActionArray, FloatArray, AggregationSettings]:
    s, n = draw(st.integers(1, 9)), draw(st.integers(1, 12))
    action = draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=s * n, max_size=s * n))
    confidence = draw(st.lists(st.floats(0, 1), min_size=s * n, max_size=s * n))
    weights = draw(st.lists(st.one_of(st.just(0.0), st.floats(0.01, 5)), min_size=s, max_size=s))
    settings = AggregationSettings(
        [f"s{i}" for i in range(s)], draw(st.sampled_from(Mode)), draw(st.floats(0, 1)), weights
    )
    return np.array(action, np.int8).reshape(s, n), np.array(confidence).reshape(s, n), settings


@given(problems())
def test_one_bar_and_a_block_of_bars_agree(
    problem: tuple[ActionArray, FloatArray, AggregationSettings],
) -> None:
    action, confidence, settings = problem
    block = aggregate(action, confidence, settings)
    for k in range(len(block)):
        single = aggregate(action[:, k : k + 1], confidence[:, k : k + 1], settings)
        assert row(single, 0) == row(block, k)


@given(problems())
def test_the_result_follows_from_what_qualifies(
    problem: tuple[ActionArray, FloatArray, AggregationSettings],
) -> None:
    action, confidence, settings = problem
    found = aggregate(action, confidence, settings)
    voters = np.array(settings.weights)[:, None] > 0
    qualifies = voters & (action != 0) & (confidence >= settings.min_confidence)
    for k in range(len(found)):
        label, sureness, reason = row(found, k)
        sides = set(action[qualifies[:, k], k].tolist())
        assert 0 <= sureness <= 1 + 1e-12
        assert (label == "hold") == (reason in {"all_hold", "no_votes", "vote_tie", "weighted_tie"})
        if label == "hold":
            assert sureness == 0
        else:
            assert CODES[label] in sides
        if not sides:
            assert reason == ("all_hold" if settings.mode is Mode.FIRST else "no_votes")


def test_the_minimum_is_inclusive_and_a_weight_of_zero_takes_the_vote_away() -> None:
    action, confidence = np.array([[1], [-1]], np.int8), np.array([[0.5], [0.5]])
    inclusive = AggregationSettings(("a", "b"), Mode.FIRST, 0.5)
    assert row(aggregate(action, confidence, inclusive), 0) == ("buy", 0.5, "first:a")
    silent = AggregationSettings(("a", "b"), Mode.VOTE, 0.5, (0.0, 1.0))
    assert row(aggregate(action, confidence, silent), 0) == ("sell", 0.5, "vote:0-1")


def test_many_strategies_do_not_overflow_the_reason() -> None:
    n = 300
    names = [f"s{i}" for i in range(n)]
    action, confidence = np.ones((n, 1), np.int8), np.ones((n, 1))
    assert aggregate(action, confidence, AggregationSettings(names, Mode.VOTE)).reason(0) == "vote:300-0"
    action[:-1] = 0
    assert aggregate(action, confidence, AggregationSettings(names)).reason(0) == "first:s299"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AggregationSettings(("a",), weights=(1.0, 2.0)), "2 weights for 1 strategies"),
        (lambda: AggregationSettings(("a",), weights=(-1.0,)), "weight of a is -1.0"),
        (lambda: AggregationSettings(("a",), weights=(float("nan"),)), "weight of a is nan"),
        (lambda: AggregationSettings(("a",), min_confidence=1.1), "min_confidence"),
        (lambda: AggregationSettings(("a",), mode="best"), "best"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_matrices_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="2 strategies"):
        aggregate(np.zeros((1, 3), np.int8), np.zeros((1, 3)), AggregationSettings(("a", "b")))
