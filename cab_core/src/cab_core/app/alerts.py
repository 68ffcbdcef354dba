"""From events to log lines and to alerts for the notifiers; trading never waits for either."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from cab_core.clock import Clock
from cab_core.domain.alerts import Alert, Severity
from cab_core.plugins.bound import Bound
from cab_core.plugins.callers import notifier_callers
from cab_core.plugins.isolation import Caller
from cab_core.ports import EventBus

log = logging.getLogger("cab.events")
_log = logging.getLogger("cab.alerts.dispatch")

#: Alerts waiting for the notifiers; beyond it the oldest are dropped and counted.
LIMIT = 500
#: An alert of the same kind, symbol and rule is not repeated within this time.
REPEAT_MS = 15 * 60 * 1000

_WARNINGS = frozenset({"emergency.stop", "plugin.quarantined", "trade.settlement.timeout", "risk.warning"})


@attrs.define(eq=False)
class EventLog:
    """Writes each event as one log line with its trace id and symbol.

    Attributes:
        quiet_cycles: cycles without an order are debug lines: for runs faster than real time.
    """

    quiet_cycles: bool = False

    async def write(self, topic: str, payload: Mapping[str, Any], trace_id: str) -> None:
        """Log one event."""
        if topic == "alert":
            return  # it reaches the log through the notifiers
        level = logging.WARNING if topic in _WARNINGS else logging.INFO
        if topic in ("trade.settled", "trade.completed") or self._is_quiet(topic, payload):
            level = logging.DEBUG
        extra = {
            "trace_id": trace_id,
            "symbol": payload.get("symbol", ""),
            "context": {key: _plain(value) for key, value in payload.items() if key != "symbol"},
        }
        log.log(level, "%s", _line(topic, payload), extra=extra)

    def _is_quiet(self, topic: str, payload: Mapping[str, Any]) -> bool:
        return self.quiet_cycles and topic == "cycle.completed" and payload["action"] == "hold"


@attrs.define(eq=False)
class Alerter:
    """Hands alerts to the notifiers from a bounded queue.

    Attributes:
        clock: stamps the alerts.
        dropped: alerts lost because the notifiers were too slow.
        failed: answers of notifiers that were errors.
    """

    clock: Clock
    callers: Sequence[Caller[None]]
    dropped: int = attrs.field(default=0, init=False)
    failed: int = attrs.field(default=0, init=False)
    _queue: deque[Alert] = attrs.field(factory=deque, init=False)
    _task: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    _sent_ms: dict[tuple[str, str, str], int] = attrs.field(factory=dict, init=False)

    @classmethod
    def of(cls, clock: Clock, notifiers: Sequence[Bound]) -> Alerter:
        """Return the alerter of these notifiers."""
        return cls(clock, notifier_callers(notifiers))

    async def take(self, topic: str, payload: Mapping[str, Any], trace_id: str) -> None:
        """Make an alert of an event worth one, and queue it; never waits for a notifier."""
        alert = alert_of(topic, payload, trace_id, self.clock.now_ms())
        if alert is None or not self.callers or self._is_repeated(alert):
            return
        if len(self._queue) >= LIMIT:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(alert)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._dispatch(), name="alerts")

    async def close(self, timeout_s: float = 5.0) -> None:
        """Let what is queued go out for up to ``timeout_s``."""
        if self._task is None:
            return
        _, late = await asyncio.wait([self._task], timeout=timeout_s)
        for task in late:
            task.cancel()

    def _is_repeated(self, alert: Alert) -> bool:
        if alert.kind != "risk.blocked":
            return False
        key = (alert.kind, alert.symbol, alert.rule)
        last_ms = self._sent_ms.get(key)
        if last_ms is not None and alert.ts_ms - last_ms <= REPEAT_MS:
            return True
        self._sent_ms[key] = alert.ts_ms
        return False

    async def _dispatch(self) -> None:
        while self._queue:
            alert = self._queue.popleft()
            for outcome in await asyncio.gather(*(caller.wait(alert) for caller in self.callers)):
                if outcome.error is not None:
                    self.failed += 1
                    _log.warning("%s dropped an alert: %s", outcome.id, outcome.reason)


def connect(bus: EventBus, event_log: EventLog, alerter: Alerter) -> None:
    """Subscribe both to everything."""
    bus.subscribe("*", event_log.write)
    bus.subscribe("*", alerter.take)


def alert_of(topic: str, payload: Mapping[str, Any], trace_id: str, now_ms: int) -> Alert | None:
    """Return the alert an event is worth, None for events of the daily round."""
    if topic == "alert":
        return Alert(
            Severity(payload["severity"]),
            payload["kind"],
            payload["text"],
            trace_id,
            payload["symbol"],
            payload["rule"],
            payload["ts_ms"] or now_ms,
        )
    severity = _SEVERITIES.get(topic)
    if severity is None:
        return None
    rule = str(payload.get("rule", ""))
    return Alert(
        severity, topic, _line(topic, payload), trace_id, str(payload.get("symbol", "")), rule, now_ms
    )


_SEVERITIES: Mapping[str, Severity] = {
    "emergency.stop": Severity.CRITICAL,
    "plugin.quarantined": Severity.IMPORTANT,
    "trade.settlement.timeout": Severity.IMPORTANT,
    "risk.warning": Severity.IMPORTANT,
    "orchestrator.state": Severity.INFO,
    "regime.changed": Severity.INFO,
    "risk.blocked": Severity.INFO,
    "risk.released": Severity.INFO,
    "position.opened": Severity.INFO,
    "position.closed": Severity.INFO,
}


def _line(topic: str, payload: Mapping[str, Any]) -> str:
    write = _LINES.get(topic)
    return topic if write is None else write(payload)


def _cycle(p: Mapping[str, Any]) -> str:
    return f"{p['symbol']} {p['action']}: {p['reason']}"


def _blocked(p: Mapping[str, Any]) -> str:
    limit = "" if p["value"] is None else f" ({p['value']:.4g}, limit {p['threshold']:.4g})"
    return f"{p['symbol']} entry blocked by {p['rule']}: {p['reason']}{limit}"


def _opened(p: Mapping[str, Any]) -> str:
    return f"{p['symbol']} bought {p['quantity']:f} for {p['cost']:.2f}: {p['reason']}"


def _closed(p: Mapping[str, Any]) -> str:
    return f"{p['symbol']} closed with {p['pnl']:+.2f}: {p['reason']}"


_LINES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "cycle.completed": _cycle,
    "risk.blocked": _blocked,
    "position.opened": _opened,
    "position.closed": _closed,
    "emergency.stop": lambda p: f"all entries are stopped by {p['rule']}: {p['reason']}",
    "regime.changed": lambda p: f"regime {p['old']} -> {p['new']} (score {p['score']:+.2f})",
    "orchestrator.state": lambda p: f"{p['symbol']} {p['old']} -> {p['new']}: {p['reason']}",
    "protection.changed": lambda p: f"{p['symbol']} stop {p['kind']} at {p['stop']:f}",
    "plugin.quarantined": lambda p: f"{p['plugin']} is no longer called: {p['reason']}",
    "risk.warning": lambda p: f"{p['rule']} is at {p['value']} of {p['threshold']}",
    "risk.released": lambda p: f"halt of {p['rule']} released by {p['by']}",
}


def _plain(value: Any) -> Any:
    return f"{value:f}" if isinstance(value, Decimal) else value
