"""``cab run``: a bot from start to stop around the orchestrator."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from cab_core.app.alerting.telling import told
from cab_core.app.attending import attended
from cab_core.app.bus import event_bus
from cab_core.app.continuing import continued, place_of
from cab_core.app.desk.live import live_desk
from cab_core.app.desk.logs import kept_log
from cab_core.app.fitness import fit_to_replay
from cab_core.app.ids import SystemIds
from cab_core.app.instance import only_instance
from cab_core.app.market_choice import MarketChoice, load_market
from cab_core.app.paper import PaperSetup
from cab_core.app.regime import regime_watch
from cab_core.app.retention import retention_loop
from cab_core.app.running import Running, Tally
from cab_core.app.stop_signals import cancelled_by_signals, stopped_by_signals
from cab_core.clock import SystemClock
from cab_core.errors import CabError, ConfigError, StorageError
from cab_core.plugins.bound import Bound
from cab_core.plugins.lifecycle import start_all, stop_all
from cab_core.plugins.policy import POLICIES, OnLoadFailure
from cab_core.plugins.registry import Plugins
from cab_core.safety.patience import PASSING, Patience, patient
from cab_core.settings.schema import Settings
from cab_core.storage import PaperState, Store, bind_account, damage
from cab_core.storage.records import Records

log = logging.getLogger("cab.run")

#: Told after the session opened; returns when the session is over.
View = Callable[["Running"], Awaitable[None]]

#: Real seconds that a start waits for its database.
START_PATIENCE_S = 120.0


def _nothing() -> None:
    return None


async def run_paper(settings: Settings, choice: MarketChoice, speed: float, view: View) -> Running:
    """Trade until stopped or until the recording ends.

    Args:
        settings: checked settings.
        choice: where prices come from.
        speed: virtual seconds per second, 0 for as fast as possible.
        view: shows the run while it goes on; cancelled at its end.

    Raises:
        CabError: it cannot start, or the database failed.
    """
    account, started_ms = f"paper:{choice.label}", SystemClock().now_ms()
    patience = Patience()
    async with AsyncExitStack() as stack:
        stack.enter_context(cancelled_by_signals())
        # A start that its settings refuse writes nothing, not even a lock.
        fit = await asyncio.to_thread(fit_to_replay, settings, account)
        stack.enter_context(only_instance(settings, started_ms))
        stack.enter_context(kept_log(settings))
        leaving = await Patience(START_PATIENCE_S).outlast(lambda: continued(settings, account))
        market = load_market(choice, settings.symbols, leaving)
        fit = fit.beside(settings, leaving)
        plugins = fit.plugins
        for warning in plugins.report.warnings:
            log.warning("%s", warning)
        store = await stack.enter_async_context(opened_store(settings, account))
        await stack.enter_async_context(started_plugins(plugins))
        opened, tally = await stack.enter_async_context(event_bus(settings, SystemIds().trace_id())), Tally()
        setup = PaperSetup(
            config=fit.config,
            plugins=plugins,
            series=market.series,
            storage=patient(Records(store, "paper"), patience),
            bus=opened.bus,
            state=patient(PaperState(store), patience),
            watch=regime_watch(settings, plugins),
            idle=settings.autostart is False,
            trade_from_ms=market.trade_from_ms,
            speed=speed,
            on_order=tally.on_order,
            on_cycle=tally.on_cycle,
        )
        session = await setup.open()
        session.orchestrator.background += (retention_loop(store, settings, session.venue.clock),)
        stack.push_async_callback(session.broker.close)
        running = Running(settings=settings, market=choice.label, session=session, tally=tally, opened=opened)
        running.desk = live_desk(running, store, plugins)
        running.pump = await stack.enter_async_context(
            told(opened.bus, session.venue.clock, plugins, settings, store, quiet=speed != 1)
        )
        with stopped_by_signals(running):
            await until_over(running, view, patience.end)
        return running


async def until_over(running: Running, view: View, stopping: Callable[[], None] = _nothing) -> None:
    """Run a session to its end, shown by a view, stopped by commands; ``stopping`` hears first.

    Notifiers that listen to people do so meanwhile.
    """
    running.stopping = stopping
    beside = [
        asyncio.create_task(_shown(view, running), name="view"),
        asyncio.create_task(attended(running), name="attend"),
    ]
    try:
        await running.session.orchestrator.run()
        running.session.finish()
        running.ended = running.ended or "end"
    except PASSING as error:
        if not running.ended:
            raise
        log.warning("stopped without its database; the next start finds out what was not recorded: %s", error)
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def _shown(view: View, running: Running) -> None:
    await view(running)


@asynccontextmanager
async def opened_store(settings: Settings, account: str) -> AsyncIterator[Store]:
    """Open the database for the length of the block; it belongs to one account.

    One that is busy or away is waited for, so that a service manager does not use up its starts meanwhile.

    Raises:
        LockedError: another instance writes it.
        StorageError: it cannot be opened, or it is damaged.
    """
    store = await Patience(START_PATIENCE_S).outlast(lambda: Store.open(place_of(settings), alone=True))
    try:
        if found := await store.transact(damage):
            raise StorageError(
                f"the database is damaged: {'; '.join(found[:3])}",
                where=store.label,
                fix="see all of it: cab verify; then: cab maintenance restore FILE, and: cab reconcile",
            )
        await store.transact(lambda conn: bind_account(conn, account))
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def started_plugins(plugins: Plugins) -> AsyncIterator[None]:
    """Call the start hooks, and the stop hooks at the end."""
    started = plugins.all()
    try:
        await _start(started)
        yield
    finally:
        for outcome in await stop_all(started):
            if outcome.error is not None:
                log.warning("%s did not stop cleanly: %s", outcome.id, outcome.reason)


async def _start(plugins: tuple[Bound, ...]) -> None:
    kinds = {bound.id: bound.record.kind for bound in plugins}
    problems: list[CabError] = []
    for outcome in await start_all(plugins):
        if outcome.error is None:
            continue
        what = f"{outcome.id} did not start: {outcome.error}"
        if POLICIES[kinds[outcome.id]].load is OnLoadFailure.REFUSE:
            fix = f"run: cab plugins doctor {outcome.id}"
            problems.append(CabError(what, where=outcome.id, fix=fix))
        else:
            log.warning("%s", what)
    if problems:
        raise ConfigError(problems)
