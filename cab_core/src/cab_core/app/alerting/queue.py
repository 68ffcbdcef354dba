"""The alerts that wait for one notifier: folded while they wait, grouped when they are due, bounded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import attrs

from cab_core.app.alerting.classes import Notice
from cab_core.domain.alerts import Severity
from cab_core.domain.timeframes import HOUR_MS, MINUTE_MS, floor_ms
from cab_core.storage.outbox import OutboxRow

#: Alerts waiting for one notifier; beyond it the oldest of the least class are dropped and counted.
LIMIT = 1_000
#: After a message, an alert of the same class, kind, symbol and rule waits this long, and is counted.
REPEAT_MS = 15 * MINUTE_MS
BATCH_MS = 5 * MINUTE_MS
DIGEST_MS = HOUR_MS

#: Always a message of its own, at once, whatever its class.
ALONE = frozenset({"report.daily", "report.weekly", "notifier.recovered"})

_RANKS = {str(severity): rank for rank, severity in enumerate(Severity)}
_GRID_MS = {Severity.CRITICAL: 0, Severity.IMPORTANT: BATCH_MS, Severity.INFO: DIGEST_MS}


class _Key(NamedTuple):
    """What makes two alerts identical."""

    severity: str
    kind: str
    symbol: str
    rule: str


@attrs.frozen
class Message:
    """What is handed to a notifier in one piece.

    Attributes:
        id: the same at each attempt.
        rows: what it carries, oldest first.
    """

    id: str
    rows: Sequence[OutboxRow]

    @property
    def order(self) -> tuple[int, int]:
        """Sort key: by class, then by age."""
        return _RANKS[self.rows[0].severity], self.rows[0].created_ms


@attrs.define(eq=False)
class Queue:
    """The waiting alerts of one notifier. Pure: times come in, rows go out.

    Attributes:
        notifier: plugin id.
        changed: rows to be saved, by id. ``removed``: rows to be deleted.
        dropped: alerts lost because too many waited.
    """

    notifier: str
    limit: int = LIMIT
    changed: dict[str, OutboxRow] = attrs.field(factory=dict, init=False)
    removed: list[OutboxRow] = attrs.field(factory=list, init=False)
    dropped: int = attrs.field(default=0, init=False)
    _waiting: dict[str, OutboxRow] = attrs.field(factory=dict, init=False)
    _open: dict[_Key, str] = attrs.field(factory=dict, init=False)
    _quiet_until_ms: dict[_Key, int] = attrs.field(factory=dict, init=False)

    def __len__(self) -> int:
        return len(self._waiting)

    def restore(self, rows: Iterable[OutboxRow]) -> None:
        """Take over what a former run left: waiting rows, and delivered ones that still silence repeats."""
        for row in rows:
            if row.sent_ms is not None:
                self._silence(row, row.sent_ms)
                continue
            self._waiting[row.id] = row
            if row.message is None:
                self._open[_key(row)] = row.id

    def offer(self, notice: Notice, row_id: str, now_ms: int) -> bool:
        """Queue an alert, or fold it into an identical one that waits; return whether it is due at once."""
        alert = notice.alert
        key = _Key(str(alert.severity), alert.kind, alert.symbol, alert.rule)
        same = None if notice.distinct else self._waiting.get(self._open.get(key, ""))
        if same is not None:
            self._put(_folded(same, notice))
            return same.due_ms <= now_ms
        grid_ms = 0 if alert.kind in ALONE else _GRID_MS[alert.severity]
        quiet_ms = 0 if notice.distinct else self._quiet_until_ms.get(key, 0)
        row = OutboxRow(
            id=row_id,
            notifier=self.notifier,
            severity=key.severity,
            kind=key.kind,
            symbol=key.symbol,
            rule=key.rule,
            text=alert.text,
            trace_id=alert.trace_id,
            amount=notice.amount,
            created_ms=now_ms,
            due_ms=_due_ms(max(now_ms, quiet_ms), grid_ms),
        )
        if len(self._waiting) >= self.limit:
            self._drop_one()
        self._put(row)
        if not notice.distinct:
            self._open[key] = row_id
        return row.due_ms <= now_ms

    def next(self, now_ms: int, *, everything: bool = False, place: int = 0) -> Message | None:
        """Return what to send next, None if nothing is due.

        Args:
            now_ms: what is due by then.
            everything: all of it is due: at a clean stop.
            place: take a later one of what is due, counted around its end.
        """
        due = [row for row in self._waiting.values() if everything or row.due_ms <= now_ms]
        groups: dict[str, list[OutboxRow]] = {}
        for row in due:
            alone = row.kind in ALONE or row.severity == Severity.CRITICAL
            groups.setdefault(row.message or (row.id if alone else f" {row.severity}"), []).append(row)
        messages = [Message(rows[0].message or rows[0].id, rows) for rows in groups.values()]
        messages.sort(key=lambda message: message.order)
        return messages[place % len(messages)] if messages else None

    def begin(self, message: Message, now_ms: int) -> Message:
        """Note that a message is about to be sent: from now on it is the same at each attempt."""
        begun = [attrs.evolve(row, message=message.id, attempts=row.attempts + 1) for row in message.rows]
        for row in begun:
            self._put(row)
            self._silence(row, now_ms)
            if self._open.get(_key(row)) == row.id:
                del self._open[_key(row)]
        return Message(message.id, begun)

    def sent(self, message: Message, now_ms: int) -> None:
        """Note that a notifier took a message."""
        for row in message.rows:
            self._waiting.pop(row.id, None)
            self.changed[row.id] = attrs.evolve(row, sent_ms=now_ms, last_error="")
            self._silence(row, now_ms)

    def failed(self, message: Message, why: str) -> None:
        """Note that a notifier did not take a message."""
        for row in message.rows:
            if row.id in self._waiting:
                self._put(attrs.evolve(row, last_error=why))

    def give_up(self, message: Message) -> None:
        """Drop a message that a working notifier will not take."""
        for row in message.rows:
            self._remove(row)

    def _put(self, row: OutboxRow) -> None:
        self._waiting[row.id] = self.changed[row.id] = row

    def _silence(self, row: OutboxRow, now_ms: int) -> None:
        self._quiet_until_ms = {k: until for k, until in self._quiet_until_ms.items() if until > now_ms}
        self._quiet_until_ms[_key(row)] = now_ms + REPEAT_MS

    def _drop_one(self) -> None:
        """Drop the oldest of the least class; what stands for many stays longest."""
        self._remove(
            max(
                self._waiting.values(),
                key=lambda row: (_RANKS[row.severity], row.count == 1, -row.created_ms),
            )
        )

    def _remove(self, row: OutboxRow) -> None:
        self.dropped += row.count
        self._waiting.pop(row.id, None)
        self.changed.pop(row.id, None)
        self.removed.append(row)
        if self._open.get(_key(row)) == row.id:
            del self._open[_key(row)]


def _key(row: OutboxRow) -> _Key:
    return _Key(row.severity, row.kind, row.symbol, row.rule)


def _folded(row: OutboxRow, notice: Notice) -> OutboxRow:
    amount = row.amount if notice.amount is None else notice.amount + (row.amount or 0)
    alert = notice.alert
    return attrs.evolve(row, count=row.count + 1, amount=amount, text=alert.text, trace_id=alert.trace_id)


def _due_ms(ts_ms: int, grid_ms: int) -> int:
    """Return the next instant of a grid, so that what comes together goes together."""
    return ts_ms if grid_ms == 0 else floor_ms(ts_ms, grid_ms) + grid_ms
