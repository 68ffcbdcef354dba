"""The orchestrator's durable memory: `cab_core.ports.Storage` over an open `Store`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import sqlalchemy as sa

from cab_core.domain.equity import drawdown_pct
from cab_core.domain.orders import OrderState
from cab_core.domain.risk import Halt, Halts
from cab_core.ports import Changes, Committed, Cycle, OpenIntent, Remembered
from cab_core.storage.fills import save_fill
from cab_core.storage.intents import last_attempt, plan_intent, set_intent_state
from cab_core.storage.journal import append
from cab_core.storage.kv import kv_load, kv_save
from cab_core.storage.positions import (
    AccountRow,
    EquityPoint,
    load_account,
    save_account,
    save_equity,
    save_position,
)
from cab_core.storage.reconciliations import known_orders, save_reconciliation
from cab_core.storage.regime import RegimeRow, save_regime
from cab_core.storage.risk import Counter, load_halts, peak_reset_due, releases, save_halt, set_counter
from cab_core.storage.risk import Halt as HaltRow
from cab_core.storage.state import load_state
from cab_core.storage.store import Store
from cab_core.storage.traces import TraceRow, save_trace, update_trace


class _DuplicateError(Exception):
    """Rolls the transaction back."""


@attrs.frozen(eq=False)
class Records:
    """One account's records in a database.

    Attributes:
        store: the open database.
        exchange: name of the venue, part of a trade's identity.
    """

    store: Store
    exchange: str

    async def remember(self) -> Remembered:
        """Return the durable state in one snapshot."""
        return await self.store.transact(remembered)

    async def commit(self, changes: Changes) -> Committed:
        """Write the changes in one transaction; refused, with nothing written, at a duplicate."""
        try:
            await self.store.transact(lambda conn: self._write(conn, changes))
        except _DuplicateError:
            return Committed("duplicate")
        return Committed()

    async def last_attempt(self, key: str) -> tuple[int, OrderState] | None:
        """Return number and state of the newest attempt of an intent key, None if it was never planned."""
        return await self.store.transact(lambda conn: last_attempt(conn, key))

    async def known_orders(self, ids: Collection[str]) -> Mapping[str, OrderState]:
        """Return those of some client ids and venue's order ids that are on record, and their states."""
        return await self.store.transact(lambda conn: known_orders(conn, ids))

    async def halts(self, now_ms: int) -> tuple[Halts, bool]:
        """Return the halts as they stand in the database, and whether the peak is to be reset."""
        return await self.store.transact(lambda conn: halts_now(conn, now_ms))

    async def save_regime(self, regime: Mapping[str, Any]) -> None:
        """Keep the regime and what it was derived from."""
        state = regime["state"]
        if state is None:
            return
        row = RegimeRow(
            state=state["state"],
            score=state["score"],
            since_ms=state["since_ms"],
            updated_ms=state["updated_ms"],
            payload=regime,
        )
        await self.store.transact(lambda conn: save_regime(conn, row))

    def _write(self, conn: sa.Connection, changes: Changes) -> None:
        trace_id, ts_ms = changes.trace_id, changes.ts_ms
        for intent, context in changes.planned:
            if not plan_intent(conn, intent, context):
                raise _DuplicateError
        if changes.cycle is not None and not save_trace(conn, _row(changes.cycle), ts_ms):
            raise _DuplicateError
        for move in changes.moved:
            set_intent_state(
                conn,
                move.key,
                move.attempt,
                move.to,
                ts_ms=ts_ms,
                order_id=move.order_id,
                message=move.message,
            )
        for fill in changes.fills:
            save_fill(conn, self.exchange, fill, trace_id=trace_id)
        traded = {fill.symbol for fill in changes.fills}
        for symbol, state in changes.positions.items():
            save_position(conn, symbol, state, ts_ms, trace_id=trace_id, traded=symbol in traded)
        _save_beside(conn, changes)


def _save_beside(conn: sa.Connection, changes: Changes) -> None:
    """Save what goes along with orders, trades and positions."""
    trace_id, ts_ms = changes.trace_id, changes.ts_ms
    for halt in changes.halts:
        save_halt(conn, HaltRow(halt.rule, halt.since_ms, halt.until_ms, halt.reason), trace_id=trace_id)
    for rule, value in changes.counters.items():
        set_counter(conn, Counter(utc_date(ts_ms), "account", rule, value, ts_ms, trace_id))
    if changes.account is not None:
        _save_account(conn, changes)
    if changes.revised is not None:
        _revise(conn, changes.revised, ts_ms)
    if changes.reconciled is not None:
        save_reconciliation(conn, changes.reconciled, ts_ms, trace_id=trace_id)
    if changes.values:
        kv_save(conn, changes.values)
    for note in changes.notes:
        append(conn, note.kind, note.payload, ts_ms=ts_ms, ref=note.ref, trace_id=trace_id)


def utc_date(ts_ms: int) -> str:
    """Return the UTC date of an instant as the counters' table holds it, ``YYYY-MM-DD``."""
    return datetime.fromtimestamp(ts_ms / 1000, UTC).date().isoformat()


def remembered(conn: sa.Connection) -> Remembered:
    """Return the durable state a start continues from."""
    state = load_state(conn)
    return Remembered(
        account=None if state.account is None else state.account.book,
        positions=state.positions,
        open_intents=tuple(
            OpenIntent(intent=found.intent, state=found.state, context=found.payload)
            for found in state.open_intents
        ),
        halts=_halts(conn, 0),
        last_candles=state.last_candles,
        peak_reset=_peak_reset(conn),
        regime=None if state.regime is None else state.regime.payload,
        values=kv_load(conn),
        as_of_ms=None if state.account is None else state.account.updated_ms,
    )


def halts_now(conn: sa.Connection, now_ms: int) -> tuple[Halts, bool]:
    """Return the halts as they stand, and whether the peak is to be reset."""
    return _halts(conn, now_ms), _peak_reset(conn)


def _halts(conn: sa.Connection, now_ms: int) -> Halts:
    rows = load_halts(conn)
    standing = {
        row.rule: Halt(row.rule, row.since_ms, row.until_ms, row.reason)
        for row in rows
        if row.released_ms is None
    }
    return Halts(standing, releases(rows, now_ms))


def _peak_reset(conn: sa.Connection) -> bool:
    return peak_reset_due(conn) is not None


def _save_account(conn: sa.Connection, changes: Changes) -> None:
    book = changes.account or {}
    before = load_account(conn)
    due_ms = peak_reset_due(conn)
    since_ms = changes.ts_ms if before is None else before.peak_since_ms
    row = AccountRow(
        baseline=Decimal(book["baseline"]),
        peak=Decimal(book["peak"]),
        peak_since_ms=since_ms if due_ms is None else due_ms,
        quote_free=Decimal(book["quote_free"]),
        book=book,
        updated_ms=changes.ts_ms,
    )
    save_account(conn, row, trace_id=changes.trace_id)
    if changes.equity is not None:
        equity = changes.equity
        dd = drawdown_pct(equity.peak, equity.equity)
        save_equity(conn, EquityPoint(changes.ts_ms, equity.equity, equity.peak, dd))


def _row(cycle: Cycle) -> TraceRow:
    return TraceRow(
        trace_id=cycle.trace_id,
        symbol=cycle.symbol,
        candle_ts_ms=cycle.candle_ts_ms,
        close=cycle.close,
        action=cycle.action,
        reason=cycle.reason,
        order_key=cycle.order_key,
        payload=cycle.trace,
    )


def _revise(conn: sa.Connection, cycle: Cycle, ts_ms: int) -> None:
    update_trace(
        conn,
        cycle.trace_id,
        action=cycle.action,
        reason=cycle.reason,
        order_key=cycle.order_key,
        payload=cycle.trace,
        ts_ms=ts_ms,
    )
