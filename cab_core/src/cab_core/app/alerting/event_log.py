"""Events as lines of the log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import attrs

from cab_core.app.alerting.wording import line, plain

log = logging.getLogger("cab.events")

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
            "context": {key: plain(value) for key, value in payload.items() if key != "symbol"},
        }
        log.log(level, "%s", line(topic, payload), extra=extra)

    def _is_quiet(self, topic: str, payload: Mapping[str, Any]) -> bool:
        return self.quiet_cycles and topic == "cycle.completed" and payload["action"] == "hold"
