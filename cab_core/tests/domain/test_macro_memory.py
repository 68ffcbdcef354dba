import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.macro import Reading, ReadingKind, remember

pytestmark = pytest.mark.regime

HOUR = 3_600_000
NOW = 1_700_000_000_000


def observe(memory, level, at_ms, observed_ms=None):
    return remember(memory, Reading(ReadingKind.VALUE, level, observed_ms=observed_ms), at_ms)


def test_a_level_changes_against_the_latest_observation_a_day_older():
    memory = None
    for hours, level in ((-30, 90.0), (-25, 100.0), (-23, 70.0)):
        memory = observe(memory, level, NOW + hours * HOUR)
    memory = observe(memory, 101.0, NOW)
    assert memory.change_pct() == pytest.approx(1.0)


@pytest.mark.parametrize(("age_hours", "known"), [(23.99, False), (24, True), (96, True), (96.01, False)])
def test_only_observations_between_one_and_four_days_old_count(age_hours, known):
    memory = observe(observe(None, 100.0, int(NOW - age_hours * HOUR)), 101.0, NOW)
    assert (memory.change_pct() is not None) is known


def test_the_payloads_own_time_counts_rather_than_the_fetch():
    friday, monday = NOW - 72 * HOUR, NOW
    memory = observe(None, 100.0, friday + 5 * HOUR, observed_ms=friday)
    memory = observe(memory, 102.0, monday + HOUR, observed_ms=monday)
    assert memory.change_pct() == pytest.approx(2.0)
    again = observe(memory, 102.0, monday + 2 * HOUR, observed_ms=monday)
    assert again.observations == memory.observations


def test_a_payload_from_the_future_counts_as_now():
    memory = observe(None, 100.0, NOW, observed_ms=NOW + 90 * 24 * HOUR)
    assert memory.observations == ((NOW, 100.0),)


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
@pytest.mark.parametrize("kind", [ReadingKind.CHANGE, ReadingKind.VALUE])
def test_a_reading_without_a_finite_number_cannot_be_made(kind, value):
    with pytest.raises(ValueError, match="finite"):
        Reading(kind, value)


def test_a_level_must_be_positive():
    with pytest.raises(ValueError, match="positive"):
        Reading(ReadingKind.VALUE, 0.0)


@given(st.lists(st.tuples(st.integers(1, 40), st.floats(50, 150)), min_size=1, max_size=60))
def test_forgetting_never_changes_a_change(steps):
    memory, everything, now_ms = None, [], NOW
    for hours, level in steps:
        now_ms += hours * HOUR
        memory = observe(memory, level, now_ms)
        everything.append((now_ms, level))
        older = [(ts, old) for ts, old in everything if 24 * HOUR <= now_ms - ts <= 96 * HOUR]
        expected = 100 * (level / older[-1][1] - 1) if older else None
        assert memory.change_pct() == expected
        assert sum(now_ms - ts > 24 * HOUR for ts, _ in memory.observations) <= 1
