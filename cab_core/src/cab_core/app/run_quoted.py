"""``cab run`` on a venue's own prices: live with real orders, or paper on public data."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack

from cab_core.app.bus import event_bus
from cab_core.app.live import QuotedSetup, care_of, open_venue, venue_plugin
from cab_core.app.regime import regime_watch
from cab_core.app.run import View, load_run, opened_store, started_plugins, told, until_over
from cab_core.app.running import Running, Tally
from cab_core.app.session import SystemIds
from cab_core.clock import Clock, SystemClock
from cab_core.safety.instance_lock import instance_lock
from cab_core.settings.schema import Settings
from cab_core.storage import PaperState
from cab_core.storage.records import Records

log = logging.getLogger("cab.run")

#: Seconds a strategy or rule may take where time is real: the budget of the hook.
BUDGET_S = 0.2


async def run_quoted(settings: Settings, view: View, clock: Clock | None = None) -> Running:
    """Trade on the venue that EXCHANGE names until stopped.

    Args:
        settings: checked settings; MODE says whether orders are real.
        view: shows the run while it goes on; cancelled at its end.
        clock: another clock than the system's, shared with a local exchange.

    Raises:
        CabError: it cannot start, or the database failed.
    """
    live, clock = settings.mode == "live", clock or SystemClock()
    config, plugins = load_run(settings, settings.symbols, settings.exchange if live else "paper")
    bound = plugins.broker if live else venue_plugin(settings).broker
    for warning in plugins.report.warnings:
        log.warning("%s", warning)
    async with AsyncExitStack() as stack:
        stack.enter_context(instance_lock(settings.instance_lock_path, SystemClock().now_ms()))
        store = await stack.enter_async_context(opened_store(settings, account_of(settings)))
        await stack.enter_async_context(started_plugins(plugins))
        opened = await stack.enter_async_context(
            event_bus(settings.event_bus_url, SystemIds().trace_id(), log.critical)
        )
        await stack.enter_async_context(told(opened.bus, clock, plugins, quiet=False))
        venue = open_venue(bound, settings, config, clock)
        stack.push_async_callback(venue.close)
        tally = Tally()
        setup = QuotedSetup(
            config=config,
            plugins=plugins,
            storage=Records(store, settings.exchange if live else "paper"),
            bus=opened.bus,
            state=PaperState(store),
            watch=regime_watch(settings, plugins),
            on_order=tally.on_order,
            on_cycle=tally.on_cycle,
            max_lag_ms=1000 * settings.market_data_max_lag_sec,
            budget_s=BUDGET_S,
            settings=settings,
            clock=clock,
            venue=venue,
            care=care_of(settings) if live else None,
        )
        session = await setup.open()
        await session.take_up()
        running = Running(settings=settings, market="exchange", session=session, tally=tally)
        await until_over(running, view)
        return running


def account_of(settings: Settings) -> str:
    """Return the name of the account a database belongs to."""
    return f"live:{settings.exchange}" if settings.mode == "live" else "paper:exchange"


__all__ = ["account_of", "run_quoted"]
