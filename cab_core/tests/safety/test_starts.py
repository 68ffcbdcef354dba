from __future__ import annotations

from pathlib import Path

import pytest

from cab_core.errors import StorageError
from cab_core.safety.starts import record_clean_stop, record_start, starts_file

MINUTE = 60_000
NOW = 1_736_467_200_000


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "trader.sqlite3"


@pytest.mark.catalogue(169)
def test_the_sixth_crash_within_ten_minutes_turns_entries_off(database: Path) -> None:
    for crash in range(5):
        assert not record_start(database, NOW + crash * MINUTE).safe_mode
    verdict = record_start(database, NOW + 5 * MINUTE)
    assert verdict.safe_mode
    assert len(verdict.starts_ms) == 6
    assert verdict.reason == "6 starts within 10 minutes that did not end cleanly"


@pytest.mark.catalogue(169)
def test_crashes_that_are_rare_enough_do_not_count(database: Path) -> None:
    verdicts = [record_start(database, NOW + crash * 2 * MINUTE + crash) for crash in range(50)]
    assert not any(verdict.safe_mode for verdict in verdicts)
    assert verdicts[-1].reason == ""


def test_it_ends_when_ten_minutes_have_passed(database: Path) -> None:
    for crash in range(9):
        record_start(database, NOW + crash)
    assert record_start(database, NOW + 10 * MINUTE).safe_mode
    assert not record_start(database, NOW + 20 * MINUTE + 1).safe_mode


def test_clean_stops_do_not_count(database: Path) -> None:
    for turn in range(20):
        assert not record_start(database, NOW + turn).safe_mode
        record_clean_stop(database, NOW + turn)
    assert record_start(database, NOW + 20).starts_ms == (NOW + 20,)


def test_a_clean_stop_takes_only_its_own_start_off(database: Path) -> None:
    record_start(database, NOW)
    record_start(database, NOW)
    record_start(database, NOW + 1)
    record_clean_stop(database, NOW)
    record_clean_stop(database, NOW + 77)
    assert record_start(database, NOW + 2).starts_ms == (NOW, NOW + 1, NOW + 2)


def test_a_wall_clock_that_was_set_back_does_not_lock_entries_for_long(database: Path) -> None:
    for crash in range(9):
        record_start(database, NOW + 60 * MINUTE + crash)
    assert record_start(database, NOW).starts_ms == (NOW,)


@pytest.mark.parametrize("junk", ["", "{}", "[1, null, 'x']", '["a", 1.5]', "\x00", "null"])
def test_a_damaged_record_starts_anew(database: Path, junk: str) -> None:
    starts_file(database).write_text(junk)
    assert record_start(database, NOW).starts_ms == (NOW,)


def test_a_record_that_cannot_be_written_is_an_error_with_a_fix(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    with pytest.raises(StorageError, match="record of starts") as caught:
        record_start(tmp_path / "a file" / "trader.sqlite3", NOW)
    assert "DB_PATH" in caught.value.fix
