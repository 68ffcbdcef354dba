"""Copies of a SQLite database that another process may be writing: whole, checked, never half-written."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import attrs

from cab_core.atomic import Draft, abandoned, make_folder, replacing
from cab_core.errors import StorageError
from cab_core.storage.engine import BUSY_TIMEOUT_MS
from cab_core.storage.location import sqlite_uri
from cab_core.storage.migrate import revision
from cab_core.storage.problems import translated
from cab_core.storage.upkeep import examine, glance

FOLDER = "backups"
_STAMP = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"\.(?P<taken>\d{8}T\d{6}Z)-(?P<revision>\d{4})\.backup")
_REPLACED = re.compile(r"\.replaced-(?P<taken>\d{8}T\d{6}Z)")
_PRIVATE = 0o600


@attrs.frozen(slots=True)
class Backup:
    """One backup, as its name tells: ``trader.sqlite3.20260102T030405Z-0002.backup``.

    Attributes:
        taken_ms: when it was taken, epoch milliseconds.
        revision: schema of the database in it.
    """

    path: Path
    taken_ms: int
    revision: str

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size


def backup_folder(database: Path) -> Path:
    """Return the folder that holds the backups of a database."""
    return database.parent / FOLDER


def backups_of(database: Path) -> list[Backup]:
    """Return the backups of a database, oldest first; files of other names are none of ours."""
    found = []
    for path in backup_folder(database).glob("*.backup"):
        told = _NAME.fullmatch(path.name.removeprefix(database.name))
        if told is not None and path.is_file():
            found.append(Backup(path, _taken_ms(told["taken"]), told["revision"]))
    return sorted(found, key=lambda backup: (backup.taken_ms, backup.revision))


def replaced_of(database: Path) -> list[Backup]:
    """Return the databases that restorations have replaced, oldest first; their names tell no schema."""
    found = []
    for path in database.parent.glob(f"{database.name}.replaced-*"):
        told = _REPLACED.fullmatch(path.name.removeprefix(database.name))
        if told is not None and path.is_file():
            found.append(Backup(path, _taken_ms(told["taken"]), ""))
    return sorted(found, key=lambda backup: backup.taken_ms)


def drafts_of(database: Path, *, sweep: bool = False) -> list[Draft]:
    """Return what killed backups and restorations of a database have left half written.

    What a living process is writing is none of it. ``sweep`` removes them.
    """
    name = re.escape(database.name)
    return [
        *abandoned(backup_folder(database), name + _NAME.pattern, sweep=sweep),
        *abandoned(database.parent, name, sweep=sweep),
    ]


def _taken_ms(text: str) -> int:
    return round(1000 * datetime.strptime(text, _STAMP).replace(tzinfo=UTC).timestamp())


def backup_path(database: Path, now_ms: int) -> Path:
    """Return the name a backup taken now gets.

    Raises:
        StorageError: it is no database of cab, or is empty.
    """
    return backup_folder(database) / f"{database.name}.{stamp(now_ms)}-{revision_of(database)}.backup"


def stamp(now_ms: int) -> str:
    """Return a UTC time as it stands in the names of files."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).strftime(_STAMP)


def write_backup(database: Path, now_ms: int) -> Backup:
    """Copy a database beside whoever writes it, check the copy, then give it its name.

    What killed backups have left is swept away first: it may be all the room there is.

    Raises:
        StorageError: it cannot be read, the copy cannot be written, or the copy shows that the database is
            damaged; nothing is kept then.
    """
    target = backup_path(database, now_ms)
    try:
        make_folder(target.parent)
        drafts_of(database, sweep=True)
        with replacing(target, _PRIVATE) as file:
            draft = Path(file.name)
            copy_database(database, draft)
            _require_whole(draft, str(database))
        sync_folder(target.parent)
    except OSError as error:
        raise StorageError(
            f"the backup cannot be written ({error.strerror})",
            where=str(target),
            fix="free space, or make the folder of the database writable for this user",
        ) from error
    return next(backup for backup in backups_of(database) if backup.path == target)


def check_backup(path: Path) -> str:
    """Return the revision of a backup whose pages and journal are whole.

    Raises:
        StorageError: it is damaged, of a newer cab, or no database of cab.
    """
    found = revision_of(path)
    _require_whole(path, str(path))
    return found


def revision_of(path: Path) -> str:
    """Return the schema revision of a database of any version of cab up to this one.

    The file is not opened beside SQLite: closing such a handle drops every lock this process has on it.

    Raises:
        StorageError: it is empty, of a newer cab, or no database of cab.
    """
    found = glance(path, lambda conn: revision(conn, str(path)))
    if found is None:
        raise StorageError("the database is empty", where=str(path), fix="start cab once (cab run)")
    return found


def copy_database(source: Path, target: Path) -> None:
    """Copy one consistent state of ``source`` into the empty file ``target``, as a single file without a log.

    The copy is not synced: that is for the caller, once.
    """
    timeout_s = BUSY_TIMEOUT_MS / 1000
    with (
        translated(str(source)),
        closing(sqlite3.connect(sqlite_uri(source, read_only=True), timeout=timeout_s, uri=True)) as live,
        closing(sqlite3.connect(target, isolation_level=None)) as copy,
    ):
        copy.execute("PRAGMA synchronous=OFF")
        live.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _require_whole(path: Path, label: str) -> None:
    if found := glance(path, examine):
        raise StorageError(
            f"it is damaged: {'; '.join(found[:3])}",
            where=label,
            fix="see the backups that are left: cab maintenance rotate --dry-run",
        )
