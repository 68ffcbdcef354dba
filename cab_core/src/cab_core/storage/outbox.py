"""Alerts on their way to the notifiers, one row per alert and notifier; delivered ones stay for a while."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import attrs
import sqlalchemy as sa

from cab_core.storage.schema import outbox
from cab_core.storage.sql import affected, upsert


@attrs.frozen(slots=True, kw_only=True)
class OutboxRow:
    """One alert for one notifier.

    Attributes:
        id: visible to people; the same for every notifier of one alert.
        notifier: plugin id, e.g. ``notifier:telegram``.
        message: id of the message that carries it, None until the first attempt to send it. A message that is
            sent again has the same id, so that its receiver can tell.
        severity: ``critical``, ``important`` or ``info``.
        count: how often it happened.
        amount: what digests add up, e.g. the profit of a round trip; None without a figure.
        created_ms: when it first happened. ``due_ms``: when it is to be sent, or sent again.
        sent_ms: when the notifier took it, None before.
        attempts: how often it was sent. ``last_error``: why the last attempt failed, or empty.
    """

    id: str
    notifier: str
    message: str | None = None
    severity: str
    kind: str
    symbol: str
    rule: str
    text: str
    trace_id: str
    count: int = 1
    amount: Decimal | None = None
    created_ms: int
    due_ms: int
    sent_ms: int | None = None
    attempts: int = 0
    last_error: str = ""


def save_outbox(conn: sa.Connection, rows: Sequence[OutboxRow]) -> None:
    """Save or replace rows. It is a queue, not a decision, so it is not journalled."""
    for row in rows:
        values = attrs.asdict(row)
        key = {"id": values.pop("id"), "notifier": values.pop("notifier")}
        upsert(conn, outbox, key, values)


def load_outbox(conn: sa.Connection, sent_since_ms: int) -> list[OutboxRow]:
    """Return what is not delivered, or was delivered since then; oldest first."""
    waiting = outbox.c.sent_ms.is_(None) | (outbox.c.sent_ms >= sent_since_ms)
    return _rows(conn, sa.select(outbox).where(waiting).order_by(outbox.c.created_ms, outbox.c.id))


def delete_outbox(conn: sa.Connection, rows: Sequence[OutboxRow]) -> None:
    """Delete rows that were dropped because a queue was full."""
    for row in rows:
        conn.execute(outbox.delete().where(outbox.c.id == row.id, outbox.c.notifier == row.notifier))


def prune_outbox(conn: sa.Connection, before_ms: int) -> int:
    """Delete what was delivered before then and return how many rows that were."""
    return affected(conn.execute(outbox.delete().where(outbox.c.sent_ms < before_ms)))


def count_delivered(conn: sa.Connection, before_ms: int) -> int:
    """Return how many rows `prune_outbox` would delete."""
    query = sa.select(sa.func.count()).select_from(outbox).where(outbox.c.sent_ms < before_ms)
    return conn.execute(query).scalar_one()


def _rows(conn: sa.Connection, query: sa.Select[tuple[object, ...]]) -> list[OutboxRow]:
    return [OutboxRow(**row) for row in conn.execute(query).mappings()]
