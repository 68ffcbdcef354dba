"""Which backups are kept: a pure rule over the times and schemas in their names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

from cab_core.storage.backup import Backup

DAYS = 7
WEEKS = 4


def reasons_to_keep(backups: Sequence[Backup]) -> dict[Backup, str]:
    """Return the backups to keep, each with the reason.

    Kept are the newest of each of the last seven days that have one, then the newest of each of the last four
    ISO weeks before those days, and the newest of every schema: it alone leads back to an older cab.
    """
    by_age = sorted(backups, key=lambda backup: (backup.taken_ms, backup.revision), reverse=True)
    daily = _first(((_day(backup), backup) for backup in by_age), DAYS)
    oldest = min((_day(backup) for backup in daily), default=date.min)
    older = ((_day(backup).isocalendar()[:2], backup) for backup in by_age if _day(backup) < oldest)
    weekly = _first(older, WEEKS)
    schemas = _first(((backup.revision, backup) for backup in by_age), len(by_age))
    return {
        **{backup: f"schema {backup.revision}" for backup in schemas},
        **dict.fromkeys(weekly, "weekly"),
        **dict.fromkeys(daily, "daily"),
    }


def replaced_to_keep(replaced: Sequence[Backup]) -> list[Backup]:
    """Return the replaced databases to keep: the newest of each of the last seven days that have one."""
    by_age = sorted(replaced, key=lambda backup: backup.taken_ms, reverse=True)
    return _first(((_day(backup), backup) for backup in by_age), DAYS)


def _first(keyed: Iterable[tuple[object, Backup]], groups: int) -> list[Backup]:
    """Return the first backup of each of the first so many groups."""
    found: dict[object, Backup] = {}
    for key, backup in keyed:
        if key not in found and len(found) < groups:
            found[key] = backup
    return list(found.values())


def _day(backup: Backup) -> date:
    return datetime.fromtimestamp(backup.taken_ms / 1000, UTC).date()
