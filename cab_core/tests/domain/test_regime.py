import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.macro import Reading, ReadingKind, SourceMemory, remember
from cab_core.domain.regime import (
    Regime,
    RegimeSettings,
    RegimeState,
    evaluate,
    hysteresis_step,
    raw_state,
    score,
)

pytestmark = pytest.mark.regime

SETTINGS = RegimeSettings()
HOUR = 3_600_000
NOW = 1_700_000_000_000
CASES = Path(__file__).resolve().parents[4] / "shared" / "reference" / "cases_a.json"


def cases(name):
    if not CASES.exists():
        pytest.skip(f"the reference vectors are not beside the checkout: {CASES}")
    return json.loads(CASES.read_text())[name]


def change(pct, fetched_ms=NOW):
    return remember(None, Reading(ReadingKind.CHANGE, pct), fetched_ms)


def calendar(*events_ms, fetched_ms=NOW):
    return remember(None, Reading(ReadingKind.EVENTS, events_ms=events_ms), fetched_ms)


def test_reference_scores_and_states():
    for case in cases("regime"):
        sources = {f"silent_{k}": None for k in range(case["stale"])}
        if case["dxy"] is not None:
            sources["dxy"] = change(case["dxy"])
        if case["btcd"] is not None:
            sources["btc_dominance"] = change(case["btcd"])
        if case["fomc_hours"] is not None:
            sources["fomc"] = calendar(round(NOW + case["fomc_hours"] * HOUR))
        state = evaluate(sources, None, NOW, SETTINGS)
        assert (state.score, state.state) == (case["score"], case["state"]), case


def test_reference_hysteresis():
    prev = None
    for case in cases("regime_hysteresis"):
        assert raw_state(case["score"]) == case["raw"]
        prev = hysteresis_step(prev, case["score"], SETTINGS.hysteresis)
        assert prev == case["state"], case


@pytest.mark.parametrize(
    ("state", "multiplier", "entries"),
    [("risk_on", "1", True), ("risk_small", "0.5", True), ("neutral", "0", False), ("risk_off", "0", False)],
)
def test_what_each_state_allows(state, multiplier, entries):
    assert str(Regime(state).multiplier) == multiplier
    assert Regime(state).entries_allowed is entries


@pytest.mark.parametrize(
    ("settings", "source"), [(SETTINGS, "unconfigured"), (RegimeSettings(enabled=False), "disabled")]
)
def test_without_sources_the_bot_trades(settings, source):
    sources = {} if source == "unconfigured" else {"dxy": change(9.0)}
    state = evaluate(sources, None, NOW, settings)
    assert (state.state, state.score, state.source) == (Regime.RISK_ON, 1.0, source)


def test_a_stale_index_costs_its_last_figure_and_at_least_a_quarter():
    max_age_ms = SETTINGS.max_age_sec * 1000
    fresh = evaluate({"dxy": change(0.35, NOW - max_age_ms)}, None, NOW, SETTINGS)
    stale = evaluate({"dxy": change(0.35, NOW - max_age_ms - 1)}, None, NOW, SETTINGS)
    assert (fresh.score, fresh.stale) == (0.4, ())
    assert (stale.score, stale.stale) == (0.4, ("dxy",))
    quiet = evaluate({"dxy": change(0.0, NOW - max_age_ms - 1)}, None, NOW, SETTINGS)
    assert (quiet.score, quiet.stale) == (0.75, ("dxy",))
    silent = evaluate({"dxy": change(0.9, NOW - max_age_ms - 1)}, None, NOW, SETTINGS)
    assert (silent.score, silent.state) == (-0.5, Regime.NEUTRAL)  # no outage eases it


def test_a_payload_that_repeats_an_old_figure_is_stale():
    reading = Reading(ReadingKind.CHANGE, 0.0, observed_ms=NOW - 96 * HOUR)
    memory = remember(None, reading, NOW)
    assert evaluate({"dxy": memory}, None, NOW, SETTINGS).stale == ()
    later = remember(memory, reading, NOW + 1)
    assert evaluate({"dxy": later}, None, NOW + 1, SETTINGS).stale == ("dxy",)


def test_a_known_event_stays_known_when_the_calendar_falls_silent():
    memory = calendar(NOW, fetched_ms=NOW - 10 * HOUR)
    state = evaluate({"fomc": memory}, None, NOW, SETTINGS)
    assert (state.state, state.score, state.stale) == (Regime.NEUTRAL, -0.25, ("fomc",))


def test_event_window_is_inclusive_to_the_millisecond():
    for offset_ms, blocked in (
        (8 * HOUR, True),
        (8 * HOUR + 1, False),
        (-8 * HOUR, True),
        (-8 * HOUR - 1, False),
    ):
        state = evaluate({"fomc": calendar(NOW + offset_ms)}, None, NOW, SETTINGS)
        assert (state.state is Regime.NEUTRAL) is blocked


def test_event_today_blocks_the_whole_utc_day_of_the_fetch():
    midnight = NOW // (24 * HOUR) * 24 * HOUR
    memory = remember(None, Reading(ReadingKind.EVENTS, event_today=True), NOW)
    for at_ms, blocked in (
        (midnight - 1, False),
        (midnight, True),
        (midnight + 24 * HOUR - 1, True),
        (midnight + 24 * HOUR, False),
    ):
        fresh = SourceMemory(memory.reading, at_ms)
        assert (evaluate({"fomc": fresh}, None, at_ms, SETTINGS).score == 0.0) is blocked


def test_a_warming_source_is_flagged_and_costs_nothing():
    memory = remember(None, Reading(ReadingKind.VALUE, 104.2), NOW)
    state = evaluate({"dxy": memory}, None, NOW, SETTINGS)
    assert (state.score, state.warming, state.stale) == (1.0, ("dxy",), ())


def test_an_index_of_a_third_party_counts_from_its_own_threshold_on():
    sources = {"vix": change(5.0)}
    assert evaluate(sources, None, NOW, SETTINGS).score == 1.0
    assert evaluate(sources, None, NOW, RegimeSettings(thresholds={"vix": 5.0})).score == 0.4


def test_a_calendar_of_a_third_party_blocks_like_ours():
    assert evaluate({"cpi": calendar(NOW)}, None, NOW, SETTINGS).state is Regime.NEUTRAL


def test_since_is_kept_while_the_state_stays():
    first = evaluate({"dxy": change(0.0)}, None, NOW, SETTINGS)
    second = evaluate({"dxy": change(0.1)}, first, NOW + 300_000, SETTINGS)
    third = evaluate({"dxy": change(0.35)}, second, NOW + 600_000, SETTINGS)
    assert (second.since_ms, second.updated_ms) == (NOW, NOW + 300_000)
    assert (third.state, third.since_ms) == (Regime.RISK_SMALL, NOW + 600_000)


penalties = st.lists(st.floats(0, 1.75), max_size=6)
readings = st.one_of(
    st.builds(Reading, st.just(ReadingKind.CHANGE), st.floats(-1e300, 1e300)),
    st.builds(Reading, st.just(ReadingKind.VALUE), st.floats(1e-300, 1e300)),
    st.builds(
        Reading,
        st.just(ReadingKind.EVENTS),
        events_ms=st.lists(st.integers(NOW - 10**9, NOW + 10**9), max_size=3).map(tuple),
        event_today=st.booleans(),
    ),
)
memories = st.builds(remember, st.none(), readings, st.integers(NOW - 10**8, NOW))


@given(penalties)
def test_score_lies_between_minus_one_and_one(values):
    assert -1.0 <= score(values) <= 1.0


@given(
    st.dictionaries(st.sampled_from(["dxy", "btc_dominance", "fomc", "vix"]), st.none() | memories),
    st.none() | st.sampled_from(list(Regime)),
)
def test_any_evaluation_is_sound_and_survives_json(sources, before):
    prev = None if before is None else RegimeState(before, 0.0, {}, "macro", 1, 1)
    state = evaluate(sources, prev, NOW, SETTINGS)
    assert -1.0 <= state.score <= 1.0
    assert all(part >= 0 for part in state.parts.values())
    if sources:
        assert state.state.severity >= raw_state(state.score).severity
    assert RegimeState.from_json(json.loads(json.dumps(state.to_json()))) == state
    for memory in filter(None, sources.values()):
        assert SourceMemory.from_json(json.loads(json.dumps(memory.to_json()))) == memory


@given(st.sampled_from(list(Regime)), st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 0.5))
def test_a_better_score_never_gives_a_stricter_state(prev, low, high, hysteresis):
    low, high = sorted((low, high))
    worse, better = (hysteresis_step(prev, value, hysteresis) for value in (low, high))
    assert better.severity <= worse.severity
