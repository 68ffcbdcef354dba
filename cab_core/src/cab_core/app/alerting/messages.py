"""Rows of the outbox as one message for people, short enough for a phone and for any messenger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from cab_core.app.alerting.queue import ALONE, DIGEST_MS, Message
from cab_core.domain.alerts import Alert, Severity
from cab_core.domain.figures import quote_of, signed_money
from cab_core.domain.money import ZERO
from cab_core.domain.timeframes import DAY_MS, floor_ms
from cab_core.storage.outbox import OutboxRow

#: Longest text; messengers take 4,096 characters, some with their own frame around it.
LONGEST = 3_500
_MOST_LINES = 25


def compose(message: Message, now_ms: int) -> Alert:
    """Return the alert that carries a message's rows."""
    rows = message.rows
    severity = Severity(rows[0].severity)
    digest = severity is Severity.INFO and rows[0].kind not in ALONE
    if digest:
        kind, text = "digest", _digest(rows, now_ms)
    elif len(rows) > 1:
        kind, text = "batch", _joined(f"{len(rows)} alerts", _lines(rows, now_ms))
    else:
        kind, text = rows[0].kind, rows[0].text + _repeated(rows[0])
    return Alert(
        severity,
        kind,
        _cut(text),
        _common((row.trace_id for row in rows), "-"),
        _common((row.symbol for row in rows), ""),
        _common((row.rule for row in rows), ""),
        rows[0].created_ms,
        message.id,
        sum(row.count for row in rows),
    )


def clock_text(ts_ms: int) -> str:
    """Return the UTC time of day, ``HH:MM``."""
    return datetime.fromtimestamp(ts_ms / 1000, UTC).strftime("%H:%M")


def _digest(rows: Sequence[OutboxRow], now_ms: int) -> str:
    first = floor_ms(rows[0].created_ms, DIGEST_MS)
    hours = max(1, round((now_ms - first) / DIGEST_MS))
    told = [row for row in rows if row.kind != "risk.blocked"]
    return _joined(f"{hours} h: {_summary(rows)}", _lines(told, now_ms))


def _summary(rows: Sequence[OutboxRow]) -> str:
    counts = Counter[str]()
    blocked = Counter[str]()
    for row in rows:
        counts[row.kind] += row.count
        if row.kind == "risk.blocked":
            blocked[row.rule] += row.count
    entries, exits = counts["position.opened"], counts["position.closed"]
    parts = []
    if entries or blocked:
        parts.append(_counted(entries + blocked.total(), "signal", "signals"))
        parts.append(_counted(entries, "entry", "entries"))
    if blocked:
        rules = ", ".join(f"{rule} x{count}" for rule, count in blocked.most_common())
        parts.append(f"{blocked.total()} blocked ({rules})")
    if exits:
        closed = [row for row in rows if row.kind == "position.closed"]
        pnl, quote = sum((row.amount or ZERO for row in closed), ZERO), quote_of(closed[0].symbol)
        parts += [_counted(exits, "exit", "exits"), f"PnL {signed_money(pnl, quote)} {quote}"]
    return ", ".join(parts) or _counted(counts.total(), "note", "notes")


def _lines(rows: Sequence[OutboxRow], now_ms: int) -> list[str]:
    dated = bool(rows) and now_ms - rows[0].created_ms >= DAY_MS
    return [_line(row, dated=dated) for row in rows]


def _line(row: OutboxRow, *, dated: bool) -> str:
    date = f"{datetime.fromtimestamp(row.created_ms / 1000, UTC):%m-%d} " if dated else ""
    return f"{date}{clock_text(row.created_ms)} {row.text}{_repeated(row)} [{row.trace_id}]"


def _repeated(row: OutboxRow) -> str:
    return f" (x{row.count} since {clock_text(row.created_ms)})" if row.count > 1 else ""


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _joined(head: str, lines: Sequence[str]) -> str:
    more = len(lines) - _MOST_LINES
    shown = [*lines[:_MOST_LINES], f"and {more} more"] if more > 0 else lines
    return "\n".join([head, *shown])


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 2] + " …"


def _common(values: Iterable[str], otherwise: str) -> str:
    found = set(values)
    return found.pop() if len(found) == 1 else otherwise
