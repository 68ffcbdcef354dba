"""Order intents: on disk before the send, then through the states of `domain.orders.TRANSITIONS`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import sqlalchemy as sa

from cab_core.domain.orders import TERMINAL, Intent, OrderState, OrderType, Purpose, Side, advance
from cab_core.storage.journal import append
from cab_core.storage.schema import order_intents
from cab_core.storage.sql import update

_INSERT = order_intents.insert()
_LAST_ATTEMPT = (
    sa.select(order_intents.c.attempt, order_intents.c.state)
    .where(order_intents.c.key == sa.bindparam("wanted"))
    .order_by(order_intents.c.attempt.desc())
    .limit(1)
)
_ATTEMPT = sa.select(order_intents.c.state, order_intents.c.client_id, order_intents.c.trace_id).where(
    order_intents.c.key == sa.bindparam("wanted"), order_intents.c.attempt == sa.bindparam("nth")
)
_RETRYABLE = frozenset({OrderState.REJECTED, OrderState.ABANDONED})


@attrs.frozen(slots=True)
class StoredIntent:
    """An intent and what became of it.

    Attributes:
        sent_ms: when ``SENT`` was committed, None before.
        order_id: the exchange's id, None while unknown.
        message: last message of the broker, for people.
        payload: whatever the caller stored with it.
    """

    intent: Intent
    state: OrderState
    sent_ms: int | None
    updated_ms: int
    order_id: str | None
    message: str
    payload: Mapping[str, Any]


def plan_intent(conn: sa.Connection, intent: Intent, payload: Mapping[str, Any] | None = None) -> bool:
    """Record an intent as ``PLANNED``; return False if it is a duplicate.

    A key is used once. Its next attempt is accepted only when the attempt before it ended rejected or
    abandoned, or is a done exit whose rest is sold now; so at most one order of a key is ever alive.
    """
    last = conn.execute(_LAST_ATTEMPT, {"wanted": intent.key}).first()
    if last is None:
        if intent.attempt < 1:
            raise ValueError(f"attempts are counted from 1, not {intent.attempt}")
    elif not _may_follow(intent, last.state) or intent.attempt <= last.attempt:
        return False
    conn.execute(_INSERT, _row(intent, payload or {}))
    append(
        conn,
        "order.planned",
        {**_facts(intent), "payload": payload or {}},
        ts_ms=intent.created_ms,
        ref=intent.client_id,
        trace_id=intent.trace_id,
    )
    return True


def _may_follow(intent: Intent, before: str) -> bool:
    return before in _RETRYABLE or (before == OrderState.DONE and intent.side is Side.SELL)


def set_intent_state(
    conn: sa.Connection,
    key: str,
    attempt: int,
    to: OrderState,
    *,
    ts_ms: int,
    order_id: str | None = None,
    message: str | None = None,
) -> None:
    """Move one attempt to its next state.

    Args:
        conn: the writer's connection.
        key: intent key.
        attempt: its attempt.
        to: the next state; ``SENT`` also records ``ts_ms`` as the time of the send.
        ts_ms: now, epoch milliseconds.
        order_id: the exchange's id if it is known now.
        message: what the broker said.

    Raises:
        KeyError: there is no such attempt.
        ValueError: the transition is illegal.
    """
    row = conn.execute(_ATTEMPT, {"wanted": key, "nth": attempt}).first()
    if row is None:
        raise KeyError(f"no intent {key} attempt {attempt}")
    values: dict[str, Any] = {"state": advance(OrderState(row.state), to), "updated_ms": ts_ms}
    if to is OrderState.SENT:
        values["sent_ms"] = ts_ms
    if order_id is not None:
        values["order_id"] = order_id
    if message is not None:
        values["message"] = message
    update(conn, order_intents, {"client_id": row.client_id}, values)
    append(
        conn,
        f"order.{to}",
        {"key": key, "attempt": attempt, "order_id": order_id, "message": message or ""},
        ts_ms=ts_ms,
        ref=row.client_id,
        trace_id=row.trace_id,
    )


def intents_open(conn: sa.Connection) -> list[StoredIntent]:
    """Return all intents that are not in a terminal state, oldest first."""
    return _load(conn, order_intents.c.state.not_in(sorted(TERMINAL)))


def intents_since(conn: sa.Connection, since_ms: int) -> list[StoredIntent]:
    """Return the intents created at or after ``since_ms``, oldest first."""
    return _load(conn, order_intents.c.created_ms >= since_ms)


def find_intent(conn: sa.Connection, client_id: str) -> StoredIntent | None:
    """Return the intent with this client order id, None if there is none."""
    found = _load(conn, order_intents.c.client_id == client_id)
    return found[0] if found else None


def last_attempt(conn: sa.Connection, key: str) -> tuple[int, OrderState] | None:
    """Return number and state of the newest attempt of a key, None if there is none."""
    row = conn.execute(_LAST_ATTEMPT, {"wanted": key}).first()
    return None if row is None else (row.attempt, OrderState(row.state))


def _load(conn: sa.Connection, condition: sa.ColumnElement[bool]) -> list[StoredIntent]:
    order = (order_intents.c.created_ms, order_intents.c.key, order_intents.c.attempt)
    return [_stored(row) for row in conn.execute(sa.select(order_intents).where(condition).order_by(*order))]


def _facts(intent: Intent) -> dict[str, Any]:
    return {"client_id": intent.client_id, **attrs.asdict(intent)}


def _row(intent: Intent, payload: Mapping[str, Any]) -> dict[str, Any]:
    row = _facts(intent)
    row["trigger_price"] = row.pop("trigger")
    row["limit_price"] = row.pop("limit")
    start = {"state": OrderState.PLANNED, "updated_ms": intent.created_ms, "message": "", "payload": payload}
    return row | start


def _stored(row: sa.Row[Any]) -> StoredIntent:
    intent = Intent(
        key=row.key,
        symbol=row.symbol,
        side=Side(row.side),
        purpose=Purpose(row.purpose),
        reason=row.reason,
        trace_id=row.trace_id,
        created_ms=row.created_ms,
        attempt=row.attempt,
        type=OrderType(row.type),
        cost=row.cost,
        quantity=row.quantity,
        reference=row.reference,
        trigger=row.trigger_price,
        limit=row.limit_price,
        sent_ms=row.sent_ms,
        order_id=row.order_id,
    )
    return StoredIntent(
        intent, OrderState(row.state), row.sent_ms, row.updated_ms, row.order_id, row.message, row.payload
    )
