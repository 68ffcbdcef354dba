"""Sends each report once, also the one that came due while the bot was down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from cab_core.app.alerting.classes import Notice
from cab_core.app.alerting.pump import Pump
from cab_core.app.ids import SystemIds
from cab_core.app.perf import report
from cab_core.app.reporting import text
from cab_core.app.reporting.schedule import SCHEDULES, WEEKLY, Schedule
from cab_core.domain.alerts import Alert, Severity
from cab_core.domain.timeframes import DAY_MS
from cab_core.settings import Settings
from cab_core.storage import Connection, Store
from cab_core.storage.journal import head_text
from cab_core.storage.memories import memorize, recall

#: Under which name the kernel remembers what it has reported.
MEMORY = "kernel:reports"
#: Characters of the journal's newest hash in a report: enough for ``cab audit verify --head``.
_SEAL = 16


@attrs.define(eq=False)
class Reporter:
    """Makes the reports that are due and hands them to the pump.

    Attributes:
        told_ms: end of the period last reported, by name of the schedule.
    """

    pump: Pump
    store: Store
    settings: Settings
    told_ms: dict[str, int] = attrs.field(factory=dict, init=False)

    async def look(self) -> None:
        """Send what is due at the pump's time. What was due before the very first start is no report."""
        now_ms = self.pump.clock.now_ms()
        if not self.told_ms:
            self.told_ms = await self._remembered(now_ms)
        for schedule in SCHEDULES:
            latest_ms = schedule.latest_ms(now_ms)
            if latest_ms > self.told_ms[schedule.name]:
                await self._send(schedule, latest_ms, now_ms)

    async def _send(self, schedule: Schedule, end_ms: int, now_ms: int) -> None:
        body = await self.store.read(lambda conn: self._written(conn, schedule, end_ms))
        missed = schedule.missed(end_ms, self.told_ms[schedule.name])
        if body is not None:
            note = f"\n{missed} earlier reports were missed while the bot was down" if missed else ""
            alert = Alert(
                Severity.INFO, f"report.{schedule.name}", body + note, SystemIds().trace_id(), ts_ms=now_ms
            )
            self.pump.offer(Notice(alert, distinct=True))
        self.told_ms[schedule.name] = end_ms
        await self.pump.outbox.keep(_mark(schedule, end_ms))

    def _written(self, conn: Connection, schedule: Schedule, end_ms: int) -> str | None:
        def told(from_ms: int, to_ms: int) -> dict[str, Any]:
            return report(conn, self.settings, "custom", str(from_ms), str(to_ms)) or {}

        begin_ms = end_ms - schedule.period_ms
        whole = told(begin_ms, end_ms)
        if not whole:
            return None
        if schedule is WEEKLY:
            days = [told(ms, ms + DAY_MS) for ms in range(begin_ms, end_ms, DAY_MS)]
            body = text.weekly(whole, told(begin_ms - schedule.period_ms, begin_ms), days)
        else:
            body = text.daily(whole)
        seq, seal = head_text(conn).split(":")
        return f"{body}\n\nJournal {seq}:{seal[:_SEAL]}"

    async def _remembered(self, now_ms: int) -> dict[str, int]:
        stored = await self.store.transact(lambda conn: recall(conn, MEMORY))
        marks: dict[str, int] = {s.name: int(stored.get(s.name, s.latest_ms(now_ms))) for s in SCHEDULES}
        fresh: dict[str, str | None] = {name: str(ms) for name, ms in marks.items() if name not in stored}
        if fresh:
            await self.store.transact(lambda conn: memorize(conn, MEMORY, fresh))
        return marks


def _mark(schedule: Schedule, end_ms: int) -> Callable[[Connection], None]:
    """Return what notes that a report is in the outbox, to be done in the transaction that puts it there."""
    return lambda conn: memorize(conn, MEMORY, {schedule.name: str(end_ms)})
