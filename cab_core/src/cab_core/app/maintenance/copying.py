"""Moving an account to a database of the other kind: from a file to a server, or back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import attrs

from cab_core.app.instance import only_instance
from cab_core.app.maintenance.work import Order, existing_file, write_row
from cab_core.errors import UsageError
from cab_core.settings import Settings
from cab_core.storage import Connection, visit
from cab_core.storage.location import Place, PostgresServer, parse
from cab_core.storage.migrate import revision
from cab_core.storage.transfer import into_file, into_server, pour, require_empty
from cab_core.storage.upkeep import glance, state_of
from cab_core.storage.visit import require_current


@attrs.frozen(kw_only=True)
class Copied:
    """What a copy came to.

    Attributes:
        source, target: where from and where to.
        state: account, schema and end of the journal at the source.
        rows: rows by table; empty in a dry run.
    """

    source: str
    target: str
    state: Mapping[str, object]
    rows: Mapping[str, int]
    dry_run: bool


def copy(settings: Settings, to: str, order: Order) -> Copied:
    """Copy the database of the settings into an empty one, compare the two, and enter it into both journals.

    Must not be called while an event loop runs in this thread.

    Args:
        settings: name the source and the lock.
        to: path of a SQLite file that is not there yet, or URL of an empty database on a server.
        order: who wants it.

    Raises:
        LockedError: a bot runs, or the dead man's switch is at work.
        NotRunningError: there is no source. RefusedError: the target is not empty.
        UsageError: both are on a server.
        StorageError: one of the two refused, or the copy differs; the target is as it was then.
    """
    where = settings.database_url.reveal() or settings.db_path
    source, target = parse(where), parse(to)
    if isinstance(source, PostgresServer) and isinstance(target, PostgresServer):
        raise UsageError(
            "both databases are on a server", where="--to", fix="use pg_dump and pg_restore, or name a file"
        )

    def transfer(conn: Connection) -> Copied:
        state = state_of(conn)
        rows = {} if order.dry_run else _into(target, partial(_filled, conn, order, source.label, state))
        return Copied(source=source.label, target=target.label, state=state, rows=rows, dry_run=order.dry_run)

    with only_instance(settings, order.now_ms):
        if order.dry_run:
            require_empty(target)
        done = _read(source, settings, transfer)
        if not order.dry_run:
            visit(where, partial(_enter, order, target.label, done.state), read_only=False)
    return done


def _read(source: Place, settings: Settings, fn: Callable[[Connection], Copied]) -> Copied:
    """Call ``fn(conn)`` on one snapshot of the source; a file may be a backup."""
    if isinstance(source, PostgresServer):
        return visit(settings.database_url.reveal(), fn)

    def checked(conn: Connection) -> Copied:
        require_current(revision(conn, source.label), source.label)
        conn.exec_driver_sql("BEGIN")
        return fn(conn)

    return glance(existing_file(settings, "copy"), checked)


def _into(target: Place, fill: Callable[[Connection], dict[str, int]]) -> dict[str, int]:
    return into_server(target, fill) if isinstance(target, PostgresServer) else into_file(target.path, fill)


def _filled(
    source: Connection, order: Order, label: str, state: Mapping[str, object], target: Connection
) -> dict[str, int]:
    rows = pour(source, target)
    _enter(order, label, state, target)
    return rows


def _enter(order: Order, other: str, state: Mapping[str, object], conn: Connection) -> None:
    write_row(conn, order, "copy", other, None, state)
