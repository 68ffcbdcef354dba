"""Pages of orders, fills, decisions, trades and mutations, newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cab_core.app.desk.desk import Filter
from cab_core.app.desk.paging import check, cursor, cut, parse_cursor, rows_of
from cab_core.app.desk.views import AuditView, Decision, FillView, OrderView, TradeView
from cab_core.domain.orders import fee_texts
from cab_core.domain.position import TradeRecord
from cab_core.storage import AuditRow, Connection, TraceRow, load_audit
from cab_core.storage.fills import fees_from
from cab_core.storage.pages import DECISIONS, FILLS, ORDERS, page

_SPAN = ("since_ms", "until_ms")
_ROWS = ("symbol", "trace_id", "action", "text", *_SPAN)

#: Mutations looked at for one page, at most, when a filter leaves most of them out.
_AUDIT_BATCH = 500


def orders(conn: Connection, wanted: Filter) -> tuple[list[OrderView], str | None]:
    """Return attempts of order intents; ``action`` is the side, ``strategy`` voted for the entry."""
    check(wanted, *_ROWS, "strategy", "order_state")
    key = parse_cursor(wanted.after, (int, str))
    rows = page(conn, ORDERS, rows_of(wanted, key))
    return cut(rows, wanted.limit, ("created_ms", "client_id"), lambda row: OrderView(**row))


def fills(conn: Connection, wanted: Filter) -> tuple[list[FillView], str | None]:
    """Return own trades; ``action`` is the side, ``strategy`` voted for the entry."""
    check(wanted, *_ROWS, "strategy")
    key = parse_cursor(wanted.after, (int, str, str, str))
    rows = page(conn, FILLS, rows_of(wanted, key))
    return cut(rows, wanted.limit, ("ts_ms", "symbol", "trade_id", "exchange"), _fill)


def decisions(conn: Connection, wanted: Filter) -> tuple[list[Decision], str | None]:
    """Return evaluated candles; ``action`` is what came of them."""
    check(wanted, *_ROWS)
    key = parse_cursor(wanted.after, (int, str))
    rows = page(conn, DECISIONS, rows_of(wanted, key))
    return cut(rows, wanted.limit, ("candle_ts_ms", "symbol"), lambda row: Decision(**row))


def decision_of(trace: TraceRow) -> Decision:
    """Return a stored evaluation as it is shown."""
    return Decision(
        trace_id=trace.trace_id,
        symbol=trace.symbol,
        candle_ts_ms=trace.candle_ts_ms,
        close=trace.close,
        action=trace.action,
        reason=trace.reason,
        order_key=trace.order_key,
    )


def trades(closed: Sequence[TradeRecord], wanted: Filter) -> tuple[list[TradeView], str | None]:
    """Return finished round trips by the time they ended."""
    check(wanted, "symbol", "strategy", "trace_id", "text", *_SPAN)
    before = parse_cursor(wanted.after, (int, str, int))
    found = sorted((trade for trade in closed if _is_wanted(trade, wanted)), key=_trade_key, reverse=True)
    if before is not None:
        found = [trade for trade in found if _trade_key(trade) < before]
    shown = found[: wanted.limit]
    after = cursor(_trade_key(shown[-1])) if len(found) > wanted.limit else None
    return [_trade(trade) for trade in shown], after


def audit(conn: Connection, wanted: Filter) -> tuple[list[AuditView], str | None]:
    """Return mutations; ``text`` is looked for in all but the states, ``symbol`` is a target."""
    check(wanted, "symbol", "trace_id", "action", "text", *_SPAN)
    key = parse_cursor(wanted.after, (int,))
    before, found = None if key is None else int(key[0]), list[AuditRow]()
    while len(found) <= wanted.limit:
        batch = load_audit(
            conn,
            before_seq=before,
            limit=_AUDIT_BATCH,
            action=wanted.action,
            since_ms=wanted.since_ms or 0,
            newest_first=True,
        )
        found += [row for row in batch if _is_audited(row, wanted)]
        if len(batch) < _AUDIT_BATCH:
            break
        before = batch[-1].seq
    shown = found[: wanted.limit]
    after = cursor((shown[-1].seq,)) if len(found) > wanted.limit else None
    return [_audited(row) for row in shown], after


def _fill(row: Mapping[str, Any]) -> FillView:
    return FillView(
        exchange=row["exchange"],
        symbol=row["symbol"],
        trade_id=row["trade_id"],
        client_id=row["client_id"],
        side=row["side"],
        quantity=row["quantity"],
        price=row["price"],
        value=row["quantity"] * row["price"],
        fee=row["fee"],
        fee_currency=row["fee_currency"],
        ts_ms=row["ts_ms"],
        trace_id=row["trace_id"] or "",
        reason=row["reason"] or "",
        further_fees=fee_texts(fees_from(row["further_fees"])),
    )


def _trade_key(trade: TradeRecord) -> tuple[int, str, int]:
    return trade.closed_ms, trade.symbol, trade.opened_ms


def _is_wanted(trade: TradeRecord, wanted: Filter) -> bool:
    texts = (trade.symbol, trade.trace_id, trade.entry_reason, *trade.votes, *(e.reason for e in trade.exits))
    return (
        wanted.symbol in (None, trade.symbol)
        and wanted.trace_id in (None, trade.trace_id)
        and (wanted.strategy is None or wanted.strategy in trade.votes)
        and (wanted.since_ms is None or trade.closed_ms >= wanted.since_ms)
        and (wanted.until_ms is None or trade.closed_ms < wanted.until_ms)
        and _holds(texts, wanted.text)
    )


def _trade(trade: TradeRecord) -> TradeView:
    sold = sum((sale.quantity for sale in trade.exits), trade.quantity * 0)
    value = sum((sale.quantity * sale.price for sale in trade.exits), sold * 0)
    return TradeView(
        symbol=trade.symbol,
        opened_ms=trade.opened_ms,
        closed_ms=trade.closed_ms,
        quantity=trade.quantity,
        entry_price=trade.entry_price,
        exit_price=value / sold if sold else value,
        cost=trade.cost,
        proceeds=trade.proceeds,
        fees_quote=trade.fees_quote,
        pnl=trade.pnl,
        pnl_pct=float(100 * trade.pnl / trade.cost) if trade.cost else 0.0,
        entry_reason=trade.entry_reason,
        exit_reason=trade.exits[-1].reason if trade.exits else "",
        votes=trade.votes,
        trace_id=trade.trace_id,
    )


def _is_audited(row: AuditRow, wanted: Filter) -> bool:
    entry = row.entry
    said = (entry.action, entry.target, entry.outcome, entry.trace_id)
    return (
        wanted.symbol in (None, entry.target)
        and wanted.trace_id in (None, entry.trace_id)
        and (wanted.until_ms is None or row.ts_ms < wanted.until_ms)
        and _holds((entry.actor, entry.role, entry.surface, *said), wanted.text)
    )


def _audited(row: AuditRow) -> AuditView:
    entry = row.entry
    return AuditView(
        seq=row.seq,
        ts_ms=row.ts_ms,
        actor=entry.actor,
        role=entry.role,
        surface=entry.surface,
        action=entry.action,
        target=entry.target,
        before=entry.before,
        after=entry.after,
        outcome=entry.outcome,
        trace_id=entry.trace_id,
    )


def _holds(texts: Sequence[str], text: str) -> bool:
    return not text or any(text.lower() in each.lower() for each in texts)
