import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.skew import BLOCK_MS, JUMP_MS, STALL_MS, WARN_MS, ClockLevel, Instant, Offset

NOW = Instant(1_700_000_000_000, 5_000.0)
STEPS = st.lists(
    st.tuples(st.integers(0, 30_000), st.integers(-4_000_000, 4_000_000)), max_size=20
)  # monotonic milliseconds that pass, and a step of the wall clock meanwhile


def later(instant: Instant, passed_ms: float, step_ms: int = 0) -> Instant:
    return Instant(instant.wall_ms + round(passed_ms) + step_ms, instant.monotonic_ms + passed_ms)


@pytest.mark.catalogue(70)
@pytest.mark.parametrize(
    ("ahead_ms", "level"),
    [
        (0, "ok"),
        (WARN_MS, "ok"),
        (WARN_MS + 1, "skewed"),
        (BLOCK_MS, "skewed"),
        (BLOCK_MS + 1, "off"),
        (90_000, "off"),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_the_level_follows_from_the_offset_to_the_exchange(ahead_ms, level, sign):
    offset = Offset.measured(NOW, NOW.wall_ms - sign * ahead_ms, NOW)
    assert offset.level(NOW) == level


def test_a_slow_answer_proves_less():
    answered = later(NOW, 10_000)
    offset = Offset.measured(NOW, NOW.wall_ms - 4_000, answered)
    assert (offset.offset_ms, offset.doubt_ms) == (9_000, 5_000)
    assert offset.level(answered) is ClockLevel.OK  # it may be 4 s as well as 14 s


@pytest.mark.catalogue(71, 72, 74)
@given(STEPS)
def test_steps_between_measurements_are_known_without_the_exchange(steps):
    """The estimate is the measured offset plus every step since, in any order, with time passing between."""
    offset, now = Offset.measured(NOW, NOW.wall_ms - 1_000, NOW), NOW
    for passed_ms, step_ms in steps:
        now = later(now, passed_ms, step_ms)
    assert offset.estimate_ms(now) == pytest.approx(1_000 + sum(step for _, step in steps))


@given(st.integers(0, STALL_MS), st.integers(-10_000_000, 10_000_000))
def test_a_jump_is_what_the_wall_clock_did_beyond_passing_time(passed_ms, step_ms):
    expected = step_ms if abs(step_ms) > JUMP_MS else 0
    assert NOW.jump_ms(later(NOW, passed_ms, step_ms)) == expected


@pytest.mark.catalogue(74)
def test_a_stopped_process_is_a_jump_though_both_clocks_went_on():
    assert NOW.jump_ms(later(NOW, 3_600_000)) == 3_600_000
    assert NOW.jump_ms(later(NOW, STALL_MS)) == 0
