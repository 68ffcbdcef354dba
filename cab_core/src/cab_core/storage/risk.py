"""Risk counters by UTC date, and halts with their releases."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import attrs
import sqlalchemy as sa

from cab_core.storage.journal import append
from cab_core.storage.positions import last_equity, load_account
from cab_core.storage.schema import risk_counters, risk_halts
from cab_core.storage.sql import insert_new, upsert

#: The rule whose reset also starts the peak of equity anew.
PEAK_RULE = "max_drawdown"


@attrs.frozen(slots=True)
class Halt:
    """All entries are stopped by ``rule`` from ``since_ms`` on.

    Attributes:
        until_ms: when it ends by itself, None means by hand.
        cleared_by: who released it by hand, None if nobody did. ``released_ms``: when.
    """

    rule: str
    since_ms: int
    until_ms: int | None
    reason: str
    cleared_by: str | None = None
    released_ms: int | None = None

    def active(self, now_ms: int) -> bool:
        """Return whether entries are stopped at ``now_ms``."""
        return self.released_ms is None and (self.until_ms is None or now_ms < self.until_ms)

    def ended_ms(self, now_ms: int) -> int | None:
        """Return when it was released, by hand or by time; None while it is active."""
        if self.active(now_ms):
            return None
        ends = [end for end in (self.released_ms, self.until_ms) if end is not None]
        return min(ends)


@attrs.frozen(slots=True)
class Counter:
    """A persisted figure of one UTC day. ``scope`` is a symbol or ``account``."""

    date: str
    scope: str
    rule: str
    value: Decimal
    updated_at_ms: int
    trace_id: str


@attrs.frozen(slots=True)
class Release:
    """What `release_halt` did.

    Attributes:
        halt: the halt that was active.
        peak: whether the peak of equity starts anew.
        equity: newest known equity, None if none was ever recorded.
    """

    halt: Halt
    peak: bool
    equity: Decimal | None


def save_halt(conn: sa.Connection, halt: Halt, *, trace_id: str = "-") -> bool:
    """Record a new halt; return False, writing nothing, if this one is recorded already."""
    row = attrs.asdict(halt)
    if not insert_new(conn, risk_halts, ("rule", "since_ms"), row):
        return False
    append(conn, "halt", row, ts_ms=halt.since_ms, ref=halt.rule, trace_id=trace_id)
    return True


def load_halts(conn: sa.Connection) -> list[Halt]:
    """Return every halt ever recorded, oldest first."""
    order = (risk_halts.c.since_ms, risk_halts.c.rule)
    return [Halt(*row) for row in conn.execute(sa.select(risk_halts).order_by(*order))]


def active_halts(halts: Iterable[Halt], now_ms: int) -> list[Halt]:
    """Return those of ``halts`` that stop entries at ``now_ms``."""
    return [halt for halt in halts if halt.active(now_ms)]


def releases(halts: Iterable[Halt], now_ms: int) -> dict[str, int]:
    """Return per rule when its last halt ended; what lies before no longer counts."""
    ended: dict[str, int] = {}
    for halt in halts:
        end = halt.ended_ms(now_ms)
        if end is not None:
            ended[halt.rule] = max(end, ended.get(halt.rule, end))
    return ended


def release_halt(conn: sa.Connection, rule: str, *, by: str, ts_ms: int) -> list[Release]:
    """Release the active halts of ``rule`` by hand; an empty list says there was none.

    A running instance sees the release when it next reads the halts. Releasing ``max_drawdown`` makes
    `peak_reset_due` tell the owner of the book, running or starting, to set the peak to its equity.
    """
    released = []
    for halt in active_halts([halt for halt in load_halts(conn) if halt.rule == rule], ts_ms):
        same = (risk_halts.c.rule == rule, risk_halts.c.since_ms == halt.since_ms)
        conn.execute(risk_halts.update().where(*same).values(cleared_by=by, released_ms=ts_ms))
        newest = last_equity(conn)
        release = Release(halt, rule == PEAK_RULE, newest.equity if newest else None)
        facts = {"since_ms": halt.since_ms, "by": by, "peak_reset": release.peak, "equity": release.equity}
        append(conn, "halt.released", facts, ts_ms=ts_ms, ref=rule)
        released.append(release)
    return released


def peak_reset_due(conn: sa.Connection) -> int | None:
    """Return when ``max_drawdown`` was last released by hand, if the peak has not been reset since.

    The owner of the book then sets ``peak`` to its current equity and ``peak_since_ms`` to the returned
    instant, and saves the account; doing so twice changes nothing.
    """
    newest = conn.execute(
        sa.select(sa.func.max(risk_halts.c.released_ms)).where(risk_halts.c.rule == PEAK_RULE)
    ).scalar()
    account = load_account(conn)
    if newest is None or (account is not None and account.peak_since_ms >= newest):
        return None
    return int(newest)


def set_counter(conn: sa.Connection, counter: Counter) -> None:
    """Save a counter's value."""
    key = {"date": counter.date, "scope": counter.scope, "rule": counter.rule}
    values = {"value": counter.value, "updated_at_ms": counter.updated_at_ms, "trace_id": counter.trace_id}
    upsert(conn, risk_counters, key, values)
    append(
        conn,
        "risk.counter",
        {**key, "value": counter.value},
        ts_ms=counter.updated_at_ms,
        ref=counter.rule,
        trace_id=counter.trace_id,
    )


def load_counters(conn: sa.Connection, since_date: str = "") -> list[Counter]:
    """Return the counters of ``since_date`` and later, oldest first."""
    order = (risk_counters.c.date, risk_counters.c.scope, risk_counters.c.rule)
    query = sa.select(risk_counters).where(risk_counters.c.date >= since_date).order_by(*order)
    return [Counter(*row) for row in conn.execute(query)]
