"""What a run tells people: its events to the log, its alerts and reports to the notifiers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cab_core.app.alerting.conditions import Conditions
from cab_core.app.alerting.event_log import EventLog
from cab_core.app.alerting.notifiers import callers_of
from cab_core.app.alerting.pulse import every
from cab_core.app.alerting.pump import Pump
from cab_core.app.ids import SystemIds
from cab_core.app.reporting.reporter import Reporter
from cab_core.clock import Clock
from cab_core.plugins.registry import Plugins
from cab_core.ports import EventBus
from cab_core.settings.schema import Settings
from cab_core.storage import Store, load_regime

#: Characters of a trace id that tell the alerts of one start from those of all others.
_NONCE = 6


@asynccontextmanager
async def told(
    bus: EventBus,
    clock: Clock,
    plugins: Plugins,
    settings: Settings,
    store: Store,
    *,
    quiet: bool,
) -> AsyncIterator[Pump]:
    """Log the events of a session, and bring its alerts and reports to the notifiers.

    Args:
        bus: where the events come from.
        clock: the session's clock.
        plugins: with the notifiers.
        settings: for the reports.
        store: where alerts wait; those of the run before go out first.
        quiet: time runs faster than real time: no report, and nothing about how long something lasts.
    """
    pump = Pump.of(clock, callers_of(settings, plugins.notifiers), store, SystemIds().trace_id()[:_NONCE])
    await pump.outbox.restore(clock.now_ms())
    if not quiet:
        pump.conditions = Conditions(clock.now_ms(), SystemIds(), await _neutral_since_ms(store))
    bus.subscribe("*", EventLog(quiet_cycles=quiet).write)
    bus.subscribe("*", pump.take)
    tasks = [asyncio.create_task(every(pump.look, pump.wake), name="alerts")]
    if not quiet:
        reporter = Reporter(pump, store, settings)
        tasks.append(asyncio.create_task(every(reporter.look), name="reports"))
    try:
        yield pump
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await pump.close()


async def _neutral_since_ms(store: Store) -> int | None:
    regime = await store.transact(load_regime)
    return None if regime is None or regime.state != "neutral" else regime.since_ms
