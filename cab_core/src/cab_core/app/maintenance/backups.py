"""Taking backups, and letting the old ones go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import attrs

from cab_core.app.maintenance.retention import reasons_to_keep, replaced_to_keep
from cab_core.app.maintenance.work import Order, audit, enter, existing_file, named_after
from cab_core.settings import Settings
from cab_core.storage import Connection, visit
from cab_core.storage.backup import (
    Backup,
    backup_folder,
    backup_path,
    backups_of,
    drafts_of,
    replaced_of,
    stamp,
    sync_folder,
    write_backup,
)
from cab_core.storage.location import PostgresServer, parse
from cab_core.storage.transfer import into_file, pour
from cab_core.storage.upkeep import glance, room, state_of


@attrs.frozen(kw_only=True)
class BackedUp:
    """A backup, or what a dry run would have made.

    Attributes:
        file: its path. ``size``: bytes of it; in a dry run of the database, 0 on a server.
        state: account, schema and end of the journal in it.
    """

    file: str
    size: int
    state: Mapping[str, object]
    dry_run: bool


@attrs.frozen(kw_only=True)
class Rotated:
    """What a rotation came to.

    Attributes:
        kept: file and reason, oldest first. ``removed``: files, half written ones included.
    """

    kept: Sequence[tuple[str, str]]
    removed: Sequence[str]
    dry_run: bool


def take_backup(settings: Settings, order: Order) -> BackedUp:
    """Copy the database beside a running bot into a SQLite file, check that, and keep it.

    Must not be called while an event loop runs in this thread.

    Raises:
        NotRunningError: there is no database. NotFoundError: the one on the server is empty.
        StorageError: the copy cannot be written or is damaged; nothing is kept then.
    """
    if isinstance(parse(settings.database_url.reveal() or settings.db_path), PostgresServer):
        return _of_server(settings, order)
    database = existing_file(settings, "backup")
    if order.dry_run:
        target = backup_path(database, order.now_ms)
        return BackedUp(
            file=str(target), size=room(database).size, state=glance(database, state_of), dry_run=True
        )
    made = write_backup(database, order.now_ms)
    state = glance(made.path, state_of)
    audit(database, order, "backup", made.path.name, None, {**state, "size": made.size})
    return BackedUp(file=str(made.path), size=made.size, state=state, dry_run=False)


def _of_server(settings: Settings, order: Order) -> BackedUp:
    database = named_after(settings, "backup")

    def copied(conn: Connection) -> BackedUp:
        state = state_of(conn)
        target = backup_folder(database) / f"{database.name}.{stamp(order.now_ms)}-{state['schema']}.backup"
        if not order.dry_run:
            into_file(target, partial(pour, conn), to_keep=True)
        size = 0 if order.dry_run else target.stat().st_size
        return BackedUp(file=str(target), size=size, state=state, dry_run=order.dry_run)

    done = visit(settings.database_url.reveal(), copied)
    if not order.dry_run:
        enter(settings, order, "backup", Path(done.file).name, None, {**done.state, "size": done.size})
    return done


def rotate(settings: Settings, order: Order) -> Rotated:
    """Remove backups and replaced databases that no rule keeps, and what was left half written.

    What is to go is in the journal before it goes.

    Raises:
        NotRunningError: there is no database.
        StorageError: the row cannot be written.
    """
    database = named_after(settings, "rotate")
    found, replaced = backups_of(database), replaced_of(database)
    keep = reasons_to_keep(found) | dict.fromkeys(replaced_to_keep(replaced), "replaced")
    gone = [backup for backup in (*found, *replaced) if backup not in keep]
    drafts = drafts_of(database)
    removed = [*(backup.path for backup in gone), *(draft.path for draft in drafts)]
    if removed and not order.dry_run:
        names = sorted({*_names(keep), *(path.name for path in removed)})
        enter(settings, order, "rotate", str(backup_folder(database)), names, _names(keep))
        for backup in gone:
            for path in (backup.path, backup.path.with_name(f"{backup.path.name}-wal")):
                path.unlink(missing_ok=True)
            sync_folder(backup.path.parent)
        drafts_of(database, sweep=True)
    return Rotated(
        kept=[(str(backup.path), keep[backup]) for backup in (*found, *replaced) if backup in keep],
        removed=[str(path) for path in removed],
        dry_run=order.dry_run,
    )


def _names(keep: Mapping[Backup, str]) -> list[str]:
    return sorted(backup.path.name for backup in keep)
