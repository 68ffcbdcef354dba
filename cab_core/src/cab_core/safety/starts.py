"""Crash-loop guard: an instance that keeps dying may supervise and exit, but no longer enter.

A start is on record in ``<database>.starts.json`` until its clean stop. Call all of it while holding the
instance lock.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from cab_core.atomic import make_folder, replacing
from cab_core.errors import StorageError

#: Starts without a clean stop that are allowed within the window.
MOST_STARTS = 5
WINDOW_MS = 600_000


@attrs.frozen(slots=True)
class StartVerdict:
    """What a start may do.

    Attributes:
        starts_ms: starts within the window that did not end cleanly, this one included, oldest first.
        safe_mode: there were too many: only supervision and exits, no entries.
    """

    starts_ms: tuple[int, ...]

    @property
    def safe_mode(self) -> bool:
        """Whether entries are off."""
        return len(self.starts_ms) > MOST_STARTS

    @property
    def reason(self) -> str:
        """Why entries are off, empty if they are not."""
        if not self.safe_mode:
            return ""
        minutes = WINDOW_MS // 60_000
        return f"{len(self.starts_ms)} starts within {minutes} minutes that did not end cleanly"


def record_start(database: Path, now_ms: int) -> StartVerdict:
    """Put a start on record.

    Args:
        database: path of the database; the record lies beside it.
        now_ms: time of the start, epoch milliseconds.

    Raises:
        StorageError: the record cannot be written.
    """
    recent = tuple(sorted(at for at in _read(database) if abs(now_ms - at) <= WINDOW_MS))
    verdict = StartVerdict((*recent, now_ms))
    _write(database, verdict.starts_ms)
    return verdict


def record_clean_stop(database: Path, started_ms: int) -> None:
    """Take a start off the record: it ended as it should.

    Args:
        database: as in `record_start`.
        started_ms: the ``now_ms`` of that start.

    Raises:
        StorageError: the record cannot be written.
    """
    starts = list(_read(database))
    if started_ms in starts:
        starts.remove(started_ms)
        _write(database, starts)


def starts_file(database: Path) -> Path:
    """Return the file of the record."""
    return database.with_name(f"{database.name}.starts.json")


def _read(database: Path) -> tuple[int, ...]:
    """Return the starts on record; none if there is no record or it is damaged."""
    try:
        content = json.loads(starts_file(database).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    return tuple(at for at in content if isinstance(at, int)) if isinstance(content, list) else ()


def _write(database: Path, starts_ms: tuple[int, ...] | list[int]) -> None:
    path = starts_file(database)
    with _as_error(path):
        make_folder(path.parent)
        with replacing(path) as file:
            file.write(json.dumps(list(starts_ms)).encode())


@contextmanager
def _as_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"the record of starts cannot be written: {error.strerror}",
            where=str(path),
            fix="make the folder of DB_PATH writable for this user",
        ) from error
