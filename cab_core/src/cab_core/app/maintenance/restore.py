"""Putting a backup in the place of the database."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import attrs

from cab_core.app.instance import only_instance
from cab_core.app.maintenance.work import Order, database_file, write_row
from cab_core.atomic import make_folder, replacing
from cab_core.errors import NotFoundError, RefusedError, StorageError
from cab_core.settings import Settings
from cab_core.storage.backup import (
    backup_folder,
    backups_of,
    check_backup,
    copy_database,
    drafts_of,
    stamp,
    sync_folder,
)
from cab_core.storage.upkeep import change, glance, state_of, write_back

_PRIVATE = 0o600


@attrs.frozen(kw_only=True)
class Restored:
    """What a restoration came to.

    Attributes:
        before: state of the database that was replaced, None if there was none or it cannot be read.
        after: state of the backup.
        replaced: where the old database is kept now; None if there was none, or in a dry run.
    """

    file: str
    backup: str
    before: Mapping[str, object] | None
    after: Mapping[str, object]
    replaced: str | None
    dry_run: bool


def restore(settings: Settings, file: Path, order: Order) -> Restored:
    """Check a backup and put it in the place of the database, which is kept beside.

    Args:
        settings: name the database and the lock.
        file: a path, or the name of a file in the folder of backups.
        order: who wants it.

    Raises:
        LockedError: a bot runs, or the dead man's switch is at work.
        NotFoundError: there is no such backup.
        RefusedError: it belongs to another account.
        StorageError: it is damaged or of a newer cab, or there is no room; nothing has been changed then.
    """
    database = database_file(settings, "restore")
    backup = _found(database, file)
    with only_instance(settings, order.now_ms):
        check_backup(backup)
        before, after = _state(database), glance(backup, state_of)
        _require_same_account(before, after, backup)
        replaced = None if order.dry_run else _put_in_place(database, backup, order, before)
    return Restored(
        file=str(database),
        backup=str(backup),
        before=before,
        after=after,
        replaced=None if replaced is None else str(replaced),
        dry_run=order.dry_run,
    )


def _found(database: Path, file: Path) -> Path:
    for path in (file, backup_folder(database) / file.name):
        if path.is_file() and not (database.exists() and path.samefile(database)):
            return path.absolute()
    known = backups_of(database)
    newest = f"the newest is {known[-1].path}" if known else f"there are none in {backup_folder(database)}"
    raise NotFoundError(f"there is no backup {str(file)!r}", where="FILE", fix=newest)


def _state(database: Path) -> Mapping[str, object] | None:
    """Return the state of the present database as far as it can be read: damage is why one restores."""
    if not database.is_file():
        return None
    with suppress(StorageError):
        return glance(database, state_of)
    return None


def _require_same_account(
    before: Mapping[str, object] | None, after: Mapping[str, object], backup: Path
) -> None:
    owner = None if before is None else before["account"]
    if owner is not None and after["account"] != owner:
        raise RefusedError(
            f"the backup belongs to the account {after['account']!r}, the database to {owner!r}",
            where=str(backup),
            fix="choose a backup of this account, or set DB_PATH to the database of the other one",
        )


def _put_in_place(
    database: Path, backup: Path, order: Order, before: Mapping[str, object] | None
) -> Path | None:
    """Replace the file at once; at no moment is there none, or one beside a log of the other."""
    after = glance(backup, state_of)
    try:
        make_folder(database.parent)
        drafts_of(database, sweep=True)
        with replacing(database, _PRIVATE) as file:
            draft = Path(file.name)
            copy_database(backup, draft)
            change(draft, lambda conn: write_row(conn, order, "restore", backup.name, before, after))
            replaced = _set_aside(database, order.now_ms)
        sync_folder(database.parent)
    except OSError as error:
        raise StorageError(
            f"the backup cannot be put in place ({error.strerror})",
            where=str(database),
            fix="free space, or make the folder of the database writable for this user",
        ) from error
    return replaced


def _set_aside(database: Path, now_ms: int) -> Path | None:
    """Copy the present database, damaged as it may be, and leave it without a log of its own."""
    if not database.is_file():
        return None
    kept = database.with_name(f"{database.name}.replaced-{stamp(now_ms)}")
    for suffix in ("", "-wal"):
        source, copy = _beside(database, suffix), _beside(kept, suffix)
        if source.is_file():
            shutil.copyfile(source, copy)
            copy.chmod(_PRIVATE)
    sync_folder(kept.parent)
    with suppress(StorageError):  # a damaged one cannot take its log in
        write_back(database)
    for suffix in ("-wal", "-shm"):
        _beside(database, suffix).unlink(missing_ok=True)
    return kept


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
