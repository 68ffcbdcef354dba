"""Connects the metrics to a run: events, decisions, orders and calls as they come, the rest when asked.

Nothing here waits, and whatever fails is counted and forgotten: trading does not depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import attrs

from cab_core.app.gauges import read_gauges
from cab_core.app.local_files import database_file
from cab_core.app.meter_events import MeterEvents
from cab_core.app.running import Running, also
from cab_core.clock import Clock
from cab_core.cycle.records import OrderRecord
from cab_core.domain.monitoring import ACTIVITY_RULE
from cab_core.domain.slippage import average_price, realized_slippage_pct
from cab_core.observability.metric_list import COMPONENTS, endpoint_of
from cab_core.observability.metric_types import Known
from cab_core.observability.metrics import Metrics
from cab_core.plugins.bound import Bound
from cab_core.plugins.registry import Plugins
from cab_core.ports import Cycle, EventBus
from cab_core.safety.latch import acknowledged_file, latch_file
from cab_core.settings.schema import Settings

#: Rules that no plugin stands for: one that failed, and the watch over the last five minutes.
KERNEL_RULES = ("error", ACTIVITY_RULE)

#: Final reasons of a buy that was not held back: it is held already, or this candle was acted on before.
_NOT_BLOCKED = frozenset({"already_long", "duplicate"})


@attrs.define(eq=False, kw_only=True)
class Meter:
    """The metrics of one run.

    Attributes:
        metrics: where everything goes.
        clock: real time, also where the market's time is played.
        database: its neighbor says whether the dead man's switch has acted.
        health: asked at each scrape which components work; those it does not name are judged by the watchdog.
        realized_before: realized profit by symbol of trades that are not in the memory of the run.
    """

    metrics: Metrics
    clock: Clock
    database: Path
    health: Callable[[], Mapping[str, bool]] = dict
    realized_before: Mapping[str, Decimal] = attrs.field(factory=dict)
    _events: MeterEvents = attrs.field(init=False)
    _running: Running | None = attrs.field(default=None, init=False)
    _traces: dict[str, str] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._events = MeterEvents(self.metrics, self.clock)

    @classmethod
    def of(
        cls, settings: Settings, symbols: Sequence[str], plugins: Plugins, version: str, clock: Clock
    ) -> Meter:
        """Return the meter of a run that is about to start: every series is there with 0.

        Args:
            settings: checked settings.
            symbols: what is looked after.
            plugins: of the run.
            version: of the kernel.
            clock: the real clock.
        """
        resting = settings.mode == "live" and settings.exits_exchange_stop
        known = Known(
            symbols=tuple(symbols),
            rules=(*(rule.name for rule in plugins.rules), *KERNEL_RULES),
            strategies=tuple(strategy.name for strategy in plugins.strategies),
            stops=("bot", "exchange") if resting else ("bot",),
        )
        meter = cls(metrics=Metrics(known, settings.account), clock=clock, database=database_file(settings))
        meter.metrics.facts("crypto_build_info", [{"version": version, "mode": settings.mode}])
        meter.metrics.facts("crypto_plugin_info", [_described(bound) for bound in plugins.all()])
        if latch_file(meter.database).exists() or acknowledged_file(meter.database).exists():
            meter.metrics.inc("crypto_dms_triggered_total")
        return meter

    def connect(self, bus: EventBus) -> None:
        """Take in the events of a bus, and count those that it dropped."""
        bus.subscribe("*", self._events.take)
        self.metrics.follow("crypto_events_dropped_total", total=lambda: getattr(bus, "dropped", 0))

    def attach(self, running: Running) -> None:
        """Take in the decisions, orders and phases of a session that is open but does not run yet."""
        self._running = running
        orchestrator = running.session.orchestrator
        settlement = orchestrator.execution.settlement
        orchestrator.decider.phases.observe = self.observe_phase
        orchestrator.on_cycle = also(orchestrator.on_cycle, self.on_cycle)
        settlement.record = also(settlement.record, self.on_order)

    def observe_call(self, endpoint: str, seconds: float) -> None:
        """Take note of a call of the exchange, answered or not; ``endpoint`` is the broker's verb."""
        self.metrics.set("crypto_api_latency_ms", endpoint_of(endpoint), to=1000 * seconds)
        self.metrics.observe("crypto_api_latency_seconds", seconds)

    def observe_phase(self, phase: str, symbol: str, seconds: float) -> None:
        """Take note of a phase of a cycle; see `cab_core.cycle.phases`."""
        if phase == "supervise":
            now_s = self.clock.now_ms() / 1000
            self.metrics.set("crypto_supervision_last_success_timestamp_seconds", symbol, to=now_s)
        else:
            self.metrics.set("crypto_cycle_duration_ms", phase, to=1000 * seconds)

    def observe_request(self, status: int) -> None:
        """Take note of an answer of the HTTP API by its status code."""
        kind = "server_error" if status >= 500 else "client_error" if status >= 400 else "ok"
        self.metrics.inc("crypto_http_requests_total", kind)

    def observe_login(self, outcome: str) -> None:
        """Take note of an attempt to come in to the HTTP API: ``ok``, ``wrong`` or ``limited``."""
        self.metrics.inc("crypto_api_logins_total", outcome)

    def on_cycle(self, cycle: Cycle) -> None:
        """Count the answers of the strategies, and a buy that was held back."""
        self._traces[cycle.symbol] = cycle.trace_id
        self.metrics.set("crypto_last_cycle_timestamp_seconds", cycle.symbol, to=self.clock.now_ms() / 1000)
        self.metrics.guard(lambda: self._count_answers(cycle))

    def on_order(self, order: OrderRecord) -> None:
        """Count an order that was filled, and take in how far it slipped."""
        intent = order.intent
        average = average_price((fill.price, fill.quantity) for fill in order.fills)
        if average is None:
            return
        self.metrics.inc("crypto_trades_total", intent.symbol, "completed", trace_id=intent.trace_id)
        if intent.reference:
            slipped = float(realized_slippage_pct(average, intent.reference))
            self.metrics.observe("crypto_slippage_pct", slipped, trace_id=intent.trace_id)

    def collect(self, running: Running) -> None:
        """Set what a session shows at this moment; only memory is read, and one file looked for."""
        now_s = self.clock.now_ms() / 1000
        rows = [{"symbol": symbol, "trace_id": trace_id} for symbol, trace_id in self._traces.items()]
        self.metrics.facts("crypto_last_cycle_info", rows)
        self.metrics.guard(lambda: read_gauges(self.metrics, running, now_s, self.realized_before))
        self.metrics.guard(lambda: self._judge_health(running))

    def scrape(self, accept: str = "*/*") -> tuple[bytes, str]:
        """Return the metrics as they are now, and their content type, for a request with this ``Accept``."""
        if self._running is not None:
            self.collect(self._running)
        return self.metrics.render(accept)

    def _count_answers(self, cycle: Cycle) -> None:
        for row in cycle.trace.get("strategies", ()):
            action = str(row["action"])
            self.metrics.inc("crypto_strategy_decisions_total", row["name"], action, trace_id=cycle.trace_id)
            if str(row["reason"]).startswith("error:"):
                self.metrics.inc("crypto_strategy_errors_total", row["name"], trace_id=cycle.trace_id)
        wanted = (cycle.trace.get("aggregate") or {}).get("action")
        held_back = wanted == "buy" and cycle.action == "hold" and cycle.order_key is None
        if held_back and cycle.reason not in _NOT_BLOCKED:
            self.metrics.inc("crypto_trades_total", cycle.symbol, "blocked", trace_id=cycle.trace_id)

    def _judge_health(self, running: Running) -> None:
        latched = latch_file(self.database).exists()
        self.metrics.set("crypto_dms_latched", to=latched)
        failing = {*self._events.failing, *(("dms",) if latched else ())}
        if running.session.regime_at(running.session.venue.clock.now_ms()) is None:
            failing.add("regime")
        if not running.opened.check().ok:
            failing.add("eventbus")
        known = self.health()
        for name in COMPONENTS:
            self.metrics.set("crypto_health_status", name, to=known.get(name, name not in failing))


def _described(bound: Bound) -> dict[str, str]:
    return {"kind": str(bound.record.kind), "id": bound.id, "version": bound.record.version}
