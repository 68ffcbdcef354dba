"""What is worth an alert because of how long it lasts: no trades, a neutral regime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from cab_core.domain.alerts import Alert, Severity
from cab_core.domain.timeframes import HOUR_MS
from cab_core.ports import Ids

NEUTRAL_MS = 4 * HOUR_MS
NO_TRADES_MS = 2 * HOUR_MS


@attrs.define(eq=False)
class Conditions:
    """Knows since when things are as they are; tells each stretch once.

    Attributes:
        neutral_since_ms: None while the regime is another one.
        ids: of the alerts: none of them belongs to a cycle.
        traded_ms: time of the last trade, or of the start.
    """

    traded_ms: int
    ids: Ids
    neutral_since_ms: int | None = None
    _told: set[tuple[str, int]] = attrs.field(factory=set, init=False)

    def take(self, topic: str, payload: Mapping[str, Any], now_ms: int) -> None:
        """Note an event."""
        if topic == "trade.settled":
            self.traded_ms = now_ms
        elif topic == "regime.changed":
            self.neutral_since_ms = now_ms if payload["new"] == "neutral" else None

    def due(self, now_ms: int) -> Iterator[Alert]:
        """Yield an alert for each condition that has just lasted too long."""
        if self._is_due("no_trades", self.traded_ms, NO_TRADES_MS, now_ms):
            text = f"no trade for {NO_TRADES_MS // HOUR_MS} h: cab why tells what each cycle decided"
            yield Alert(
                Severity.IMPORTANT, "trade.settled", text, self.ids.trace_id(), rule="no_trades", ts_ms=now_ms
            )
        since_ms = self.neutral_since_ms
        if since_ms is not None and self._is_due("neutral", since_ms, NEUTRAL_MS, now_ms):
            text = f"the regime has been neutral for {NEUTRAL_MS // HOUR_MS} h: entries wait, exits go on"
            yield Alert(
                Severity.IMPORTANT, "regime.changed", text, self.ids.trace_id(), rule="neutral", ts_ms=now_ms
            )

    def _is_due(self, name: str, since_ms: int, span_ms: int, now_ms: int) -> bool:
        if now_ms - since_ms < span_ms or (name, since_ms) in self._told:
            return False
        self._told = {told for told in self._told if told[0] != name} | {(name, since_ms)}
        return True
