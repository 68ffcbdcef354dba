"""Pages of long lists, newest first: each row once, however many are written meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import sqlalchemy as sa

from cab_core.domain.orders import TERMINAL
from cab_core.storage.intents import StoredIntent, find_intent
from cab_core.storage.schema import decision_trace, equity, fills, journal, order_intents
from cab_core.storage.traces import TraceRow, find_trace

#: Wanted state of orders that have not ended, whichever it is.
UNFINISHED = "unfinished"

#: Where a page ended: the key of its last row.
Key = tuple[Any, ...]


@attrs.frozen(slots=True, kw_only=True)
class Wanted:
    """Which rows of a list are wanted; None or empty means all.

    Attributes:
        before: the key the last page ended at; only older rows are wanted.
        state: of an order; `UNFINISHED` for all that have not ended.
        text: a piece of text that one of the row's texts must hold, in any case.
        since_ms, until_ms: ``since <= t < until``.
    """

    limit: int
    before: Key | None = None
    symbol: str | None = None
    strategy: str | None = None
    trace_id: str | None = None
    action: str | None = None
    text: str = ""
    state: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None


@attrs.frozen(slots=True, kw_only=True)
class Listing:
    """A list that can be paged.

    Attributes:
        query: the rows without order.
        key: what orders them; time first, unique as a whole.
        symbol, action, trace_id, voters: what the filters of these names compare; ``voters`` is JSON text.
            ``state`` is an order's.
        texts: what a text is looked for in.
    """

    query: sa.Select[Any]
    key: tuple[sa.ColumnElement[Any], ...]
    symbol: sa.ColumnElement[str]
    action: sa.ColumnElement[str]
    trace_id: sa.ColumnElement[str]
    texts: tuple[sa.ColumnElement[str], ...]
    voters: sa.ColumnElement[str] | None = None
    state: sa.ColumnElement[str] | None = None


_VOTERS = sa.type_coerce(order_intents.c.payload, sa.Text)

ORDERS = Listing(
    query=sa.select(*(column for column in order_intents.c if column.name != "payload")),
    key=(order_intents.c.created_ms, order_intents.c.client_id),
    symbol=order_intents.c.symbol,
    action=order_intents.c.side,
    trace_id=order_intents.c.trace_id,
    voters=_VOTERS,
    state=order_intents.c.state,
    texts=tuple(
        order_intents.c[name]
        for name in ("client_id", "key", "reason", "state", "order_id", "message", "trace_id")
    ),
)

FILLS = Listing(
    query=sa.select(*fills.c, order_intents.c.trace_id, order_intents.c.reason).select_from(
        fills.outerjoin(order_intents, fills.c.client_id == order_intents.c.client_id)
    ),
    key=(fills.c.ts_ms, fills.c.symbol, fills.c.trade_id, fills.c.exchange),
    symbol=fills.c.symbol,
    action=fills.c.side,
    trace_id=order_intents.c.trace_id,
    voters=_VOTERS,
    texts=(fills.c.trade_id, fills.c.client_id, *(order_intents.c[n] for n in ("key", "reason", "trace_id"))),
)

DECISIONS = Listing(
    query=sa.select(decision_trace),
    key=(decision_trace.c.candle_ts_ms, decision_trace.c.symbol),
    symbol=decision_trace.c.symbol,
    action=decision_trace.c.action,
    trace_id=decision_trace.c.trace_id,
    texts=(decision_trace.c.reason, decision_trace.c.trace_id, decision_trace.c.order_key),
)


def page(conn: sa.Connection, listing: Listing, wanted: Wanted) -> list[dict[str, Any]]:
    """Return up to ``limit`` rows of a list by column name, newest first."""
    query = listing.query.where(*_conditions(listing, wanted))
    query = query.order_by(*(column.desc() for column in listing.key)).limit(wanted.limit)
    return [dict(row) for row in conn.execute(query).mappings()]


def _conditions(listing: Listing, wanted: Wanted) -> Iterator[sa.ColumnElement[bool]]:
    time, *_ = listing.key
    if wanted.before is not None:
        # The first bound alone is what an index is used for.
        yield time <= wanted.before[0]
        yield sa.tuple_(*listing.key) < sa.tuple_(*wanted.before)
    if wanted.since_ms is not None:
        yield time >= wanted.since_ms
    if wanted.until_ms is not None:
        yield time < wanted.until_ms
    for name in ("symbol", "action", "trace_id"):
        value = getattr(wanted, name)
        if value is not None:
            yield getattr(listing, name) == value
    if wanted.state is not None and listing.state is not None:
        ended = listing.state.in_(sorted(TERMINAL))
        yield sa.not_(ended) if wanted.state == UNFINISHED else listing.state == wanted.state
    if wanted.strategy is not None and listing.voters is not None:
        yield listing.voters.contains(json.dumps(wanted.strategy), autoescape=True)
    if wanted.text:
        yield sa.or_(*(column.icontains(wanted.text, autoescape=True) for column in listing.texts))


def find_intents(conn: sa.Connection, trace_id: str) -> list[StoredIntent]:
    """Return the intents of a cycle, oldest first."""
    query = sa.select(order_intents.c.client_id).where(order_intents.c.trace_id == trace_id)
    order = (order_intents.c.created_ms, order_intents.c.key, order_intents.c.attempt)
    ids = conn.execute(query.order_by(*order)).scalars().all()
    return [found for client_id in ids if (found := find_intent(conn, client_id)) is not None]


def newest_traces(conn: sa.Connection, symbols: Sequence[str]) -> list[TraceRow]:
    """Return the newest trace of each symbol that has one, in the order of ``symbols``."""
    found = (find_trace(conn, symbol) for symbol in symbols)
    return [trace for trace in found if trace is not None]


def thinned_equity(conn: sa.Connection, since_ms: int, points: int) -> list[dict[str, Any]]:
    """Return at most ``points`` points of the equity curve, oldest first: the last one of equal stretches."""
    bounds = sa.select(sa.func.min(equity.c.ts_ms), sa.func.max(equity.c.ts_ms))
    first, last = conn.execute(bounds.where(equity.c.ts_ms >= since_ms)).one()
    if first is None:
        return []
    width = (last - first) // points + 1
    stretch = (equity.c.ts_ms - first) // width
    ends = sa.select(sa.func.max(equity.c.ts_ms)).where(equity.c.ts_ms >= since_ms).group_by(stretch)
    query = sa.select(equity).where(equity.c.ts_ms.in_(ends)).order_by(equity.c.ts_ms)
    return [dict(row) for row in conn.execute(query).mappings()]


def journal_head(conn: sa.Connection) -> int:
    """Return the newest ``seq`` of the journal, 0 for an empty one."""
    return conn.execute(sa.select(sa.func.max(journal.c.seq))).scalar() or 0


@attrs.frozen(slots=True)
class Journalled:
    """One row of the journal as it is followed; ``facts`` is its payload."""

    seq: int
    ts_ms: int
    kind: str
    ref: str
    facts: Any


def journalled_after(
    conn: sa.Connection, after_seq: int, kinds: Sequence[str], limit: int
) -> list[Journalled]:
    """Return up to ``limit`` later journal rows of some kinds, in the order of writing."""
    columns = (journal.c.seq, journal.c.ts_ms, journal.c.kind, journal.c.ref, journal.c.payload)
    query = sa.select(*columns).where(journal.c.seq > after_seq, journal.c.kind.in_(kinds))
    return [_journalled(*row) for row in conn.execute(query.order_by(journal.c.seq).limit(limit))]


def noted(conn: sa.Connection, kind: str, trace_id: str) -> list[Journalled]:
    """Return the journal rows of one kind that a command or a cycle wrote, in the order of writing."""
    columns = (journal.c.seq, journal.c.ts_ms, journal.c.kind, journal.c.ref, journal.c.payload)
    query = sa.select(*columns).where(journal.c.kind == kind, journal.c.trace_id == trace_id)
    return [_journalled(*row) for row in conn.execute(query.order_by(journal.c.seq))]


def _journalled(seq: int, ts_ms: int, kind: str, ref: str, payload: str) -> Journalled:
    return Journalled(seq, ts_ms, kind, ref, json.loads(payload))


def contexts_of(conn: sa.Connection, client_ids: Sequence[str]) -> dict[str, Any]:
    """Return what some intents were stored with, by client id."""
    query = sa.select(order_intents.c.client_id, order_intents.c.payload)
    query = query.where(order_intents.c.client_id.in_(client_ids))
    return {row.client_id: row.payload for row in conn.execute(query)}


def fill_symbols(conn: sa.Connection) -> list[str]:
    """Return the symbols that were ever traded."""
    return list(conn.execute(sa.select(fills.c.symbol).distinct().order_by(fills.c.symbol)).scalars())
