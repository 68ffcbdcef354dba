"""What the events of a run mean for its metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import attrs

from cab_core.clock import Clock
from cab_core.domain.orders import OrderState
from cab_core.observability.metric_list import MISMATCHES
from cab_core.observability.metrics import Metrics

#: Which checks of the watchdog belong to which component.
_CHECKS = {
    "db": {"db", "disk"},
    "broker": {"broker", "api_latency"},
    "market_data": {"evaluations"},
}

_Handler: TypeAlias = Callable[[Mapping[str, Any], str], None]


@attrs.define(eq=False)
class MeterEvents:
    """Takes events into metrics.

    Attributes:
        clock: real time.
        failing: components of which a check failed when the watchdog last changed its level.
    """

    metrics: Metrics
    clock: Clock
    failing: frozenset[str] = attrs.field(default=frozenset(), init=False)
    _mismatches: dict[tuple[str, str], int] = attrs.field(factory=dict, init=False)
    _handlers: Mapping[str, _Handler] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._handlers = {
            "cycle.completed": self._cycle,
            "order.changed": self._order,
            "risk.blocked": self._blocked,
            "reconciliation.completed": self._compared,
            "watchdog.changed": self._watched,
            "clock.changed": self._clock,
        }

    async def take(self, topic: str, payload: Mapping[str, Any], trace_id: str) -> None:
        """Take in one event; those that no metric shows are ignored."""
        handler = self._handlers.get(topic)
        if handler is not None:
            self.metrics.guard(lambda: handler(payload, trace_id))

    def _cycle(self, payload: Mapping[str, Any], trace_id: str) -> None:
        self.metrics.observe(
            "crypto_cycle_duration_seconds", payload["duration_ms"] / 1000, trace_id=trace_id
        )

    def _order(self, payload: Mapping[str, Any], trace_id: str) -> None:
        if payload["state"] == OrderState.REJECTED:
            self.metrics.inc("crypto_trades_total", payload["symbol"], "failed", trace_id=trace_id)

    def _blocked(self, payload: Mapping[str, Any], trace_id: str) -> None:
        self.metrics.inc("crypto_risk_blocked_total", payload["rule"], trace_id=trace_id)

    def _compared(self, payload: Mapping[str, Any], _: str) -> None:
        symbol, duration_ms = payload["symbol"], payload["duration_ms"]
        self.metrics.set("crypto_reconciliation_duration_ms", symbol, to=duration_ms)
        self.metrics.set("crypto_reconciliation_duration_seconds", symbol, to=duration_ms / 1000)
        self.metrics.set("crypto_reconcile_last_success_timestamp_seconds", to=self.clock.now_ms() / 1000)
        found = {str(finding["kind"]) for finding in payload["mismatches"]}
        for kind in MISMATCHES:
            count = self._mismatches.get((symbol, kind), 0) + 1 if kind in found else 0
            self._mismatches[symbol, kind] = count
            self.metrics.set("crypto_mismatch_consecutive", symbol, kind, to=count)

    def _watched(self, payload: Mapping[str, Any], _: str) -> None:
        failing = payload["failing"].keys()
        self.failing = frozenset(name for name, checks in _CHECKS.items() if checks & failing)

    def _clock(self, payload: Mapping[str, Any], _: str) -> None:
        self.metrics.set("crypto_clock_skew_seconds", to=payload["offset_ms"] / 1000)
