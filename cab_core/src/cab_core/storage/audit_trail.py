"""Who changed what: rows of the journal of kind ``audit``, sealed and chained like all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import attrs
import sqlalchemy as sa

from cab_core.storage.journal import append
from cab_core.storage.schema import journal

KIND = "audit"

#: Spelled out, not bound: only so SQLite sees that its index of these rows can be used.
_IS_AUDIT = journal.c.kind == sa.literal_column(f"'{KIND}'", sa.Text)
_COLUMNS = (journal.c.seq, journal.c.ts_ms, journal.c.trace_id, journal.c.payload)


@attrs.frozen(slots=True, kw_only=True)
class AuditEntry:
    """One change an operator made, or tried to make.

    Attributes:
        actor: who, e.g. ``anna``, ``token:ab12`` or ``telegram:4711``.
        role: ``viewer``, ``operator`` or ``admin``.
        surface: ``cli``, ``api``, ``web`` or ``telegram``.
        action: what, e.g. ``risk.reset``.
        target: what it was done to, e.g. a rule or a symbol, or empty.
        before: state before, JSON, None where there is none. ``after``: state after.
        outcome: ``ok``, ``refused`` or ``failed``, with a reason behind a colon where there is one.
    """

    actor: str
    role: str
    surface: str
    action: str
    target: str = ""
    before: Any = None
    after: Any = None
    outcome: str = "ok"
    trace_id: str = "-"


@attrs.frozen(slots=True)
class AuditRow:
    """An entry with its number in the journal and its time."""

    seq: int
    ts_ms: int
    entry: AuditEntry


def write_audit(conn: sa.Connection, entry: AuditEntry, ts_ms: int) -> int:
    """Append an entry to the journal and return its ``seq``; do it in the transaction of the change.

    ``before`` and ``after`` must be JSON (Decimals are) and free of secrets.
    """
    payload = attrs.asdict(entry, recurse=False)
    trace_id = payload.pop("trace_id")
    return append(conn, KIND, payload, ts_ms=ts_ms, ref=entry.target, trace_id=trace_id)


def load_audit(
    conn: sa.Connection,
    *,
    after_seq: int = 0,
    before_seq: int | None = None,
    limit: int = 100,
    actor: str | None = None,
    action: str | None = None,
    since_ms: int = 0,
    newest_first: bool = False,
) -> list[AuditRow]:
    """Return up to ``limit`` entries with ``after_seq < seq < before_seq``.

    Args:
        conn: any connection.
        after_seq: where the last page ended.
        before_seq: where the last page ended, with ``newest_first``; None for no bound.
        limit: most rows to return.
        actor: only those of this actor.
        action: only this action; ``risk.`` with a dot at the end means every action that begins so.
        since_ms: only those from then on.
        newest_first: reverse the order.
    """
    query = sa.select(*_COLUMNS).where(_IS_AUDIT, journal.c.seq > after_seq, journal.c.ts_ms >= since_ms)
    if before_seq is not None:
        query = query.where(journal.c.seq < before_seq)
    query = query.order_by(journal.c.seq.desc() if newest_first else journal.c.seq)
    found: list[AuditRow] = []
    for row in _entries(conn, query):
        if len(found) == limit:
            break
        if actor in (None, row.entry.actor) and _is_action(row.entry.action, action):
            found.append(row)
    return found


def _entries(conn: sa.Connection, query: sa.Select[Any]) -> Iterator[AuditRow]:
    for seq, ts_ms, trace_id, payload in conn.execute(query, execution_options={"yield_per": 200}):
        yield AuditRow(seq, ts_ms, AuditEntry(**json.loads(payload), trace_id=trace_id))


def _is_action(action: str, wanted: str | None) -> bool:
    if wanted is None:
        return True
    return action.startswith(wanted) if wanted.endswith(".") else action == wanted
