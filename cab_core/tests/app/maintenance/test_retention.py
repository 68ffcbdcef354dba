from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cab_core.app.maintenance.retention import reasons_to_keep
from cab_core.storage.backup import Backup

START = datetime(2026, 1, 5, 3, tzinfo=UTC)  # a Monday
HOUR_MS = 3_600_000


def taken(hours: int, revision: str = "0003") -> Backup:
    at = START + timedelta(hours=hours)
    return Backup(Path(f"{hours}-{revision}"), round(at.timestamp() * 1000), revision)


def test_a_year_of_daily_backups_leaves_seven_days_and_four_weeks():
    held: list[Backup] = []
    for day in range(365):
        held = list(reasons_to_keep([*held, taken(24 * day)]))
        assert taken(24 * day) in held  # the newest is never removed
    ages = sorted((taken(24 * 364).taken_ms - backup.taken_ms) // (24 * HOUR_MS) for backup in held)
    assert ages[:7] == [0, 1, 2, 3, 4, 5, 6]
    assert len(ages) == 11
    assert [later - earlier for earlier, later in pairwise(ages[7:])][1:] == [7, 7]
    assert ages[-1] >= 21


def test_many_backups_of_one_day_count_as_one():
    day = [taken(hour) for hour in range(5)]
    assert list(reasons_to_keep(day)) == [day[-1]]


def test_the_way_back_to_an_older_cab_stays():
    before, after = taken(1, "0001"), taken(2, "0003")
    assert reasons_to_keep([before, after]) == {before: "schema 0001", after: "daily"}


def test_a_pause_of_months_costs_no_backup():
    old = [taken(24 * day) for day in range(7)]
    assert set(reasons_to_keep([*old, taken(24 * 200)])) >= set(old[1:])


@given(st.lists(st.tuples(st.integers(0, 24 * 400), st.sampled_from(["0001", "0002", "0003"])), max_size=60))
def test_what_is_kept_is_kept_again_and_never_too_much(pairs: list[tuple[int, str]]):
    backups = list({taken(*pair) for pair in pairs})
    kept = reasons_to_keep(backups)
    assert set(reasons_to_keep(list(kept))) == set(kept)
    assert len(kept) <= 7 + 4 + 3
    if backups:
        assert max(backup.taken_ms for backup in backups) in {backup.taken_ms for backup in kept}
