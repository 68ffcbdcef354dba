import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.macro import Reading, ReadingKind, remember
from cab_core.domain.regime import Regime, RegimeSettings, evaluate
from cab_core.domain.regime_timeline import RegimeTimeline, ScriptedReading

pytestmark = pytest.mark.regime

SETTINGS = RegimeSettings()
HOUR = 3_600_000
DAY = 24 * HOUR
START = 1_700_006_400_000  # 00:00 UTC


def change(hours, pct, source="dxy"):
    return ScriptedReading(START + hours * HOUR, source, Reading(ReadingKind.CHANGE, pct))


def test_an_empty_script_is_unconfigured():
    assert RegimeTimeline().cursor(SETTINGS).advance(START).source == "unconfigured"


def test_a_script_walks_through_all_four_states():
    event = Reading(ReadingKind.EVENTS, events_ms=(START + 30 * HOUR,))
    script = RegimeTimeline(
        (
            change(20, 0.7),
            ScriptedReading(START, "fomc", event),
            change(0, 0.0),
            change(10, 0.35),
            change(40, 0.0),
        )
    )
    cursor = script.cursor(SETTINGS)
    states = [cursor.advance(START + hours * HOUR).state for hours in (0, 9, 10, 20, 21, 22, 38, 39, 40)]
    on, small, neutral, off = Regime
    assert states == [on, on, small, neutral, neutral, off, off, neutral, on]


def test_a_scripted_source_answers_at_every_poll():
    cursor = RegimeTimeline((change(0, 0.35),)).cursor(SETTINGS)
    state = cursor.advance(START + 90 * DAY)
    assert (state.state, state.stale, state.updated_ms) == (Regime.RISK_SMALL, (), START + 90 * DAY)
    assert state.since_ms == START


def test_before_its_first_reading_a_source_has_never_answered():
    assert RegimeTimeline((change(5, 0.0),)).cursor(SETTINGS).advance(START).stale == ("dxy",)


def test_figures_of_an_old_date_grow_stale():
    reading = Reading(ReadingKind.VALUE, 104.0, observed_ms=START)
    cursor = RegimeTimeline((ScriptedReading(START, "dxy", reading),)).cursor(SETTINGS)
    assert cursor.advance(START + 96 * HOUR).stale == ()
    assert cursor.advance(START + 96 * HOUR + 1).stale == ("dxy",)


readings = st.one_of(
    st.builds(Reading, st.just(ReadingKind.CHANGE), st.floats(-1, 1)),
    st.builds(
        Reading,
        st.just(ReadingKind.EVENTS),
        events_ms=st.lists(st.integers(START, START + 5 * DAY), max_size=2).map(tuple),
        event_today=st.booleans(),
    ),
)
scripts = st.lists(
    st.builds(
        ScriptedReading,
        st.integers(START, START + 5 * DAY),
        st.sampled_from(["dxy", "btc_dominance", "fomc"]),
        readings,
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda scripted: (scripted.ts_ms, scripted.source),
)


@given(scripts, st.lists(st.integers(START - DAY, START + 7 * DAY), min_size=1, max_size=10))
def test_the_answer_depends_on_the_time_asked_for_only(script, instants):
    cursor = RegimeTimeline(tuple(script)).cursor(SETTINGS)
    first = [cursor.advance(now_ms) for now_ms in instants]
    again = [cursor.advance(now_ms) for now_ms in reversed(instants)]
    assert first == again[::-1]
    assert RegimeTimeline(tuple(reversed(script))).cursor(SETTINGS).advance(instants[0]) == first[0]


def polled(timeline, source, now_ms):
    """What a source that is polled right now has answered by now."""
    due = [s for s in timeline.readings if s.source == source and s.ts_ms <= now_ms]
    return attrs.evolve(remember(None, due[-1].reading, due[-1].ts_ms), fetched_ms=now_ms) if due else None


@given(scripts)
def test_the_score_never_lags_behind_a_poll(script):
    timeline = RegimeTimeline(tuple(script))
    cursor = timeline.cursor(SETTINGS)
    for now_ms in range(START, START + 6 * DAY, HOUR):
        sources = {s.source: polled(timeline, s.source, now_ms) for s in script}
        assert cursor.advance(now_ms).score == evaluate(sources, None, now_ms, SETTINGS).score
