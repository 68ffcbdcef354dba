"""The account of the settings, opened for one command: nothing is evaluated, no strategy is loaded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from cab_core.app.config import cycle_config, plugins_for
from cab_core.app.continuing import account_of, continued
from cab_core.app.live import QuotedSetup, care_of, open_venue, venue_plugin
from cab_core.app.run import opened_store
from cab_core.app.same_account import require_account_of
from cab_core.app.session import Session
from cab_core.bus.memory import MemoryBus
from cab_core.clock import Clock, SystemClock
from cab_core.plugins.kinds import Kind
from cab_core.settings.schema import Settings
from cab_core.storage import PaperState
from cab_core.storage.records import Records


@asynccontextmanager
async def open_account(
    settings: Settings, *, clock: Clock | None = None, bus: MemoryBus | None = None
) -> AsyncIterator[Session]:
    """Open the account on the venue's own prices; the caller holds the instance lock.

    Nothing has been settled yet: call ``session.take_up()`` for that.

    Args:
        settings: checked settings.
        clock: another clock than the system's.
        bus: where events and alerts go; nowhere by default.

    Raises:
        CabError: the plugin, the venue or the database refused.
    """
    live = settings.mode == "live"
    broker = settings.exchange if live else "paper"
    plugins = plugins_for(settings, {Kind.STRATEGY: (), Kind.BROKER: [broker]})
    bound = plugins.broker if live else venue_plugin(settings).broker
    leaving = await continued(settings, account_of(settings))
    config = cycle_config(settings, [], settings.symbols, leaving)
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(opened_store(settings, account_of(settings)))
        venue = open_venue(bound, settings, config, clock)
        stack.push_async_callback(venue.close)
        if live:
            await require_account_of(venue, settings)
        setup = QuotedSetup(
            config=config,
            plugins=plugins,
            storage=Records(store, settings.exchange if live else "paper"),
            bus=bus or MemoryBus(),
            state=PaperState(store),
            settings=settings,
            clock=clock,
            venue=venue,
            care=care_of(settings) if live else None,
        )
        yield await setup.open()
