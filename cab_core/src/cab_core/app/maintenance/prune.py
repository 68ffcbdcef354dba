"""Letting go of old details by order; a running bot does the same by itself, once a day."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs

from cab_core.app.history import account_now
from cab_core.app.maintenance.work import Order, write_row
from cab_core.domain.timeframes import DAY_MS
from cab_core.errors import NotRunningError
from cab_core.settings import Settings
from cab_core.storage import Connection, NoDatabaseError, visit
from cab_core.storage.location import parse
from cab_core.storage.retention import Gone, bite, due, give_back


@attrs.frozen(kw_only=True)
class Pruned:
    """What was let go, or would be in a dry run.

    Attributes:
        where: path or address of the database.
        before_ms: details of holds at candles before then went.
        holds: so many. ``alerts``: delivered alerts that were deleted.
        freed: bytes given back to the disk; on a server always 0.
    """

    where: str
    before_ms: int
    holds: int
    alerts: int
    freed: int
    dry_run: bool


def prune(settings: Settings, order: Order, told: Callable[[Gone], None]) -> Pruned:
    """Let go of what is older than the settings keep it, bite by bite, beside a running bot or not.

    What is done by an interruption stays done, and the next call does the rest. Must not be called while an
    event loop runs in this thread.

    Args:
        settings: name the database, and how long details are kept.
        order: who ordered it; a dry run changes nothing.
        told: told what went so far, and at the beginning that nothing did.

    Raises:
        NotRunningError: there is no database. StorageError: it refuses, or is of another version.
    """
    where = settings.database_url.reveal() or settings.db_path
    label = parse(where).label
    keep_ms = settings.trace_keep_days * DAY_MS
    try:
        now_ms = visit(where, lambda conn: account_now(conn)[0])
    except NoDatabaseError as error:
        raise NotRunningError(
            "there is no database: cab has not run here yet", where=label, fix="run: cab run (or set DB_PATH)"
        ) from error
    freed = 0
    if order.dry_run:
        gone = visit(where, partial(due, now_ms=now_ms, keep_ms=keep_ms))
    else:
        gone = Gone()
        told(gone)
        take = partial(bite, now_ms=now_ms, keep_ms=keep_ms)
        while some := visit(where, take, read_only=False):
            gone += some
            told(gone)
        while room := visit(where, give_back, read_only=False):
            freed += room
    done = Pruned(
        where=label,
        before_ms=now_ms - keep_ms,
        holds=gone.holds,
        alerts=gone.alerts,
        freed=freed,
        dry_run=order.dry_run,
    )
    if gone and not order.dry_run:
        visit(where, partial(_audit, order=order, done=done), read_only=False)
    return done


def _audit(conn: Connection, order: Order, done: Pruned) -> None:
    figures = {"before_ms": done.before_ms, "holds": done.holds, "alerts": done.alerts}
    write_row(conn, order, "prune", done.where, None, figures)
