import itertools
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.risk import (
    ALLOW,
    Halt,
    Halts,
    RuleFailed,
    Verdict,
    VerdictKind,
    assess,
    check_order,
    next_midnight_ms,
)

pytestmark = pytest.mark.risk

DAY = 86_400_000
NOW = 20_000 * DAY + 12 * 3_600_000
MIDNIGHT = 20_001 * DAY


def halt(until_ms=MIDNIGHT):
    return Verdict(VerdictKind.HALT, 0.0, "daily_loss", 120.0, 100.0, until_ms)


def reduce(factor):
    return Verdict(VerdictKind.REDUCE, factor, "narrow")


DELAY = Verdict(VerdictKind.DELAY, 0.0, "cooldown")
NOTE = Verdict(VerdictKind.NOTE, 1.0, "near_limit")


def test_critical_rules_are_asked_first_then_by_name():
    rules = {"spread_cap": False, "max_drawdown": True, "cooldown": False, "daily_loss": True}
    assert check_order(rules) == ("daily_loss", "max_drawdown", "cooldown", "spread_cap")


def test_without_objections_the_entry_keeps_its_size():
    found = assess([("a", ALLOW), ("b", NOTE)], Halts(), NOW)
    assert (found.blocked, found.kind, found.factor) == (None, VerdictKind.ALLOW, Decimal(1))


def test_the_least_factor_counts_not_the_product():
    found = assess([("a", reduce(0.5)), ("b", reduce(0.4)), ("c", ALLOW)], Halts(), NOW)
    assert (found.blocked, found.factor) == (None, Decimal("0.4"))


def test_a_zero_factor_delays_with_the_rules_name():
    found = assess([("a", reduce(0.5)), ("cooldown", DELAY)], Halts(), NOW)
    assert (found.blocked, found.kind, found.factor) == ("risk_cooldown", VerdictKind.DELAY, Decimal(0))


def test_a_rule_that_failed_blocks_even_if_all_others_allow():
    found = assess([("a", ALLOW), ("b", RuleFailed("ZeroDivisionError")), ("c", DELAY)], Halts(), NOW)
    assert (found.blocked, found.kind, found.factor) == ("risk_error", VerdictKind.DELAY, Decimal(0))


def test_a_factor_out_of_bounds_is_a_failure():
    for factor in (1.5, -0.1, float("nan"), float("inf")):
        assert assess([("a", reduce(factor))], Halts(), NOW).blocked == "risk_error"


def test_a_trip_blocks_before_failures_and_delays():
    verdicts = [("daily_loss", halt()), ("a", RuleFailed("x")), ("b", DELAY)]
    found = assess(verdicts, Halts(), NOW)
    assert (found.blocked, found.kind) == ("risk_daily_loss", VerdictKind.HALT)
    assert found.trips == (Halt("daily_loss", NOW, MIDNIGHT, "daily_loss"),)
    assert found.verdicts == tuple(verdicts)


def test_a_halt_stays_latched_although_its_rule_allows_again():
    halts = Halts().trip(Halt("daily_loss", NOW, MIDNIGHT))
    for at_ms, blocked in ((MIDNIGHT - 1, "risk_daily_loss"), (MIDNIGHT, None)):
        found = assess([("daily_loss", ALLOW)], halts, at_ms)
        assert (found.blocked, found.trips) == (blocked, ())


def test_a_halt_in_force_does_not_trip_again():
    halts = Halts().trip(Halt("daily_loss", NOW, MIDNIGHT))
    assert assess([("daily_loss", halt())], halts, NOW + 1).trips == ()
    assert halts.trip(Halt("daily_loss", NOW + 1, MIDNIGHT + DAY)) == halts


def test_a_halt_of_another_rule_is_added_and_the_oldest_names_the_block():
    halts = Halts().trip(Halt("max_drawdown", NOW - 5))
    found = assess([("daily_loss", halt())], halts, NOW)
    assert (found.blocked, [trip.rule for trip in found.trips]) == ("risk_max_drawdown", ["daily_loss"])


def test_of_halts_in_force_the_oldest_comes_first_then_by_name():
    older, newer = Halt("max_drawdown", NOW - 5), Halt("daily_loss", NOW, MIDNIGHT)
    assert Halts().trip(newer).trip(older).active(NOW) == (older, newer)
    twins = [Halt(rule, NOW) for rule in ("b", "c", "a")]
    halts = Halts()
    for halt in twins:
        halts = halts.trip(halt)
    assert [halt.rule for halt in halts.active(NOW)] == ["a", "b", "c"]
    assert assess([("d", ALLOW)], halts, NOW).blocked == "risk_a"


def test_a_halt_without_end_waits_for_a_person():
    halts = Halts().trip(Halt("max_drawdown", NOW))
    assert halts.active(NOW + 1000 * DAY)
    released = halts.release("max_drawdown", NOW + DAY)
    assert (released.active(NOW + DAY), released.released_ms(NOW + DAY)) == ((), {"max_drawdown": NOW + DAY})


def test_a_halt_that_ran_out_was_released_at_its_end():
    halts = Halts().trip(Halt("loss_streak", NOW, MIDNIGHT))
    assert halts.released_ms(MIDNIGHT - 1) == {}
    assert halts.released_ms(MIDNIGHT + DAY) == {"loss_streak": MIDNIGHT}
    again = halts.trip(Halt("loss_streak", MIDNIGHT + 5, MIDNIGHT + DAY))
    assert [held.since_ms for held in again.active(MIDNIGHT + 6)] == [MIDNIGHT + 5]


def test_midnight_is_the_next_one():
    assert next_midnight_ms(NOW) == MIDNIGHT
    assert next_midnight_ms(MIDNIGHT) == MIDNIGHT + DAY


verdicts = st.one_of(
    st.just(ALLOW),
    st.just(NOTE),
    st.just(DELAY),
    st.floats(0, 1).map(reduce),
    st.just(halt()),
    st.builds(RuleFailed, st.text(max_size=5)),
)


@given(st.lists(verdicts, max_size=6))
def test_one_more_verdict_never_enlarges_an_entry(answers):
    named = [(f"rule_{k}", answer) for k, answer in enumerate(answers)]
    found = [assess(named[:k], Halts(), NOW).factor for k in range(len(named) + 1)]
    assert all(later <= earlier for earlier, later in itertools.pairwise(found))
    assert all(0 <= factor <= 1 for factor in found)


@given(
    st.permutations([("a", reduce(0.3)), ("b", DELAY), ("c", RuleFailed("x")), ("d", halt()), ("e", ALLOW)])
)
def test_the_order_of_the_rules_does_not_change_the_outcome(named):
    found = attrs.evolve(assess(named, Halts(), NOW), verdicts=())
    assert found == attrs.evolve(assess(sorted(named), Halts(), NOW), verdicts=())
