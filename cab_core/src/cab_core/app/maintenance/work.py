"""What all upkeep shares: who ordered it, which file it is about, and its row in the audit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from cab_core.app.desk.commands import Actor
from cab_core.app.local_files import database_file as neighbor
from cab_core.errors import NotRunningError, UsageError
from cab_core.settings import Settings
from cab_core.storage import Connection, visit
from cab_core.storage.audit_trail import AuditEntry, write_audit
from cab_core.storage.location import PostgresServer, parse
from cab_core.storage.upkeep import change


@attrs.frozen(kw_only=True)
class Order:
    """Who ordered the work, when, and the trace id that finds it again.

    Attributes:
        now_ms: time of the order, epoch milliseconds; it also names backups.
        dry_run: only say what would be done.
    """

    actor: Actor
    now_ms: int
    trace_id: str
    dry_run: bool = False


def database_file(settings: Settings, command: str) -> Path:
    """Return the SQLite file of the settings, whether it exists or not.

    Raises:
        UsageError: the database is on a PostgreSQL server, which brings tools of its own.
    """
    place = parse(settings.database_url.reveal() or settings.db_path)
    if isinstance(place, PostgresServer):
        raise UsageError(
            f"cab maintenance {command} is for SQLite files, and the database is on a PostgreSQL server",
            where=place.label,
            fix="put a backup back with cab maintenance copy; for room there is the server's own VACUUM",
        )
    return place.path


def existing_file(settings: Settings, command: str) -> Path:
    """Return the SQLite file of the settings.

    Raises:
        NotRunningError: there is none yet.
        UsageError: as of `database_file`.
    """
    path = database_file(settings, command)
    if not path.is_file():
        raise NotRunningError(
            "there is no database: cab has not run here yet",
            where=str(path),
            fix="run: cab run (or set DB_PATH)",
        )
    return path


def named_after(settings: Settings, command: str) -> Path:
    """Return the path the backups of the database are named after: its file, or its name beside DB_PATH.

    Raises:
        NotRunningError: there is no file yet.
    """
    if isinstance(parse(settings.database_url.reveal() or settings.db_path), PostgresServer):
        return neighbor(settings)
    return existing_file(settings, command)


def enter(settings: Settings, order: Order, action: str, target: str, before: Any, after: Any) -> None:
    """Enter a deed into the journal of the database of the settings, of any version if it is a file."""
    place = parse(settings.database_url.reveal() or settings.db_path)
    if isinstance(place, PostgresServer):
        url = settings.database_url.reveal()
        visit(url, lambda conn: write_row(conn, order, action, target, before, after), read_only=False)
    else:
        audit(place.path, order, action, target, before, after)


def audit(path: Path, order: Order, action: str, target: str, before: Any, after: Any) -> None:
    """Enter a deed into the journal of a database file."""
    change(path, lambda conn: write_row(conn, order, action, target, before, after))


def write_row(conn: Connection, order: Order, action: str, target: str, before: Any, after: Any) -> int:
    """Append a row of the audit to the journal and return its number."""
    entry = AuditEntry(
        actor=order.actor.name,
        role=order.actor.role.label,
        surface=order.actor.surface,
        action=f"maintenance.{action}",
        target=target,
        before=before,
        after=after,
        trace_id=order.trace_id,
    )
    return write_audit(conn, entry, order.now_ms)
