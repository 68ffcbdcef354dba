"""``cab run`` on a venue's own prices: live with real orders, or paper on public data."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

import attrs

from cab_core.app.alerting.telling import told
from cab_core.app.bus import event_bus
from cab_core.app.config import RECORDED_BUDGET_S
from cab_core.app.continuing import account_of, continued
from cab_core.app.desk.live import live_desk
from cab_core.app.desk.logs import kept_log
from cab_core.app.fitness import Fit, fit_to_run
from cab_core.app.guards import Guards, Invocation, spawn_watchman
from cab_core.app.ids import SystemIds
from cab_core.app.instance import instance_key, only_instance
from cab_core.app.live import QuotedSetup, care_of, check_venue, open_venue
from cab_core.app.local_files import database_file
from cab_core.app.regime import regime_watch
from cab_core.app.retention import retention_loop
from cab_core.app.run import START_PATIENCE_S, View, opened_store, started_plugins, until_over
from cab_core.app.running import Running, Tally, also
from cab_core.app.same_account import take_account
from cab_core.app.starting import Lobby, Start, StartingDesk, is_exposed, nobody
from cab_core.app.stop_signals import cancelled_by_signals, stopped_by_signals
from cab_core.clock import Clock, SystemClock, turn
from cab_core.cycle.probes import timed
from cab_core.safety.latch import refuse_if_latched
from cab_core.safety.patience import Patience, patient
from cab_core.safety.starts import StartVerdict, record_clean_stop, record_start
from cab_core.sdk import Broker
from cab_core.settings.schema import Settings
from cab_core.storage import PaperState
from cab_core.storage.records import Records

log = logging.getLogger("cab.run")

#: Seconds a strategy or rule may take where time is real: the budget of the hook.
BUDGET_S = 0.2

_CALLED = Invocation()


async def run_quoted(
    settings: Settings,
    view: View,
    *,
    clock: Clock | None = None,
    called: Invocation = _CALLED,
    lobby: Lobby = nobody,
    same_account: bool = False,
) -> Running:
    """Trade on the venue that EXCHANGE names until stopped.

    Args:
        settings: checked settings; MODE says whether orders are real.
        view: shows the run while it goes on; cancelled at its end.
        clock: the time of a local exchange that is played step by step; then nothing watches the time.
        called: how this run was called, for the dead man's switch.
        lobby: serves those who ask while the start waits.
        same_account: a new key is of the account on record, should the venue not tell.

    Raises:
        CabError: it cannot start, or the database failed.
    """
    live, played = settings.mode == "live", clock is not None
    started_ms, database = SystemClock().now_ms(), database_file(settings)
    async with AsyncExitStack() as stack:
        stack.enter_context(cancelled_by_signals())
        # A start that its settings refuse writes nothing, not even a lock.
        fit = await fit_to_run(settings, account_of(settings))
        holder = stack.enter_context(only_instance(settings, started_ms))
        stack.enter_context(kept_log(settings))
        refuse_if_latched(database)
        leaving = await Patience(START_PATIENCE_S).outlast(lambda: continued(settings, account_of(settings)))
        fit = fit.beside(settings, leaving)
        plugins = fit.plugins
        for warning in plugins.report.warnings:
            log.warning("%s", warning)
        store = await stack.enter_async_context(opened_store(settings, account_of(settings)))
        await stack.enter_async_context(started_plugins(plugins))
        lost = Lost()
        nonce = SystemIds().trace_id()
        circuits = await stack.enter_async_context(instance_key(settings, holder, nonce, lost))
        opened = await stack.enter_async_context(event_bus(settings, nonce))
        clock = clock or SystemClock()
        pump = await stack.enter_async_context(
            told(opened.bus, clock, plugins, settings, store, quiet=played)
        )
        guards = Guards(
            settings=settings,
            clock=clock,
            opened=opened,
            circuits=circuits,
            storage=Records(store, settings.exchange if live else "paper"),
            holder=holder,
            epoch=store.epoch,
            start=StartVerdict(()) if played else record_start(database, started_ms),
            watchman=None if played else spawn_watchman(settings, called),
        )
        lost.tell = guards.lose
        state = patient(PaperState(store), guards.patience)
        setup = _setup(settings, fit, guards, state, played=played)
        stack.push_async_callback(setup.venue.close)
        with guards.opening():
            desk = StartingDesk(settings, store=store, guards=guards, plugins_loaded=plugins)
            start = Start(desk, lobby, exposed=await is_exposed(guards))
            async with turn(clock):
                if live:
                    await start.to(partial(check_venue, setup.source))
                    own = partial(take_account, setup.source, settings, store, confirmed=same_account)
                    await start.to(own)
                session = await start.to(setup.open)
                session.orchestrator.background += (retention_loop(store, settings, clock),)
                if not played:
                    session.orchestrator.background += guards.watch(session, setup.venue)
                await session.take_up()
        running = Running(
            settings=settings, market="exchange", session=session, tally=setup.tally, opened=opened
        )
        running.desk, running.pump = live_desk(running, store, plugins, guards), pump
        with stopped_by_signals(running):  # a service that said it is ready may be stopped at once
            guards.ready(f"{settings.mode} {', '.join(running.symbols)}")
            await until_over(running, view, guards.stopping)
        guards.refuse_if_lost()
        record_clean_stop(database, started_ms)
        guards.close()
        return running


def _setup(settings: Settings, fit: Fit, guards: Guards, state: PaperState, *, played: bool) -> _Counted:
    live, clock, tally = settings.mode == "live", guards.clock, Tally()
    source = open_venue(fit.venue, settings, fit.config, clock)
    return _Counted(
        config=fit.config,
        plugins=fit.plugins,
        storage=guards.provident,
        bus=guards.opened.bus,
        state=state,
        watch=regime_watch(settings, fit.plugins),
        idle=settings.autostart is False,
        no_entry=(guards.no_entry,),
        beat=guards.beat,
        on_order=tally.on_order,
        on_cycle=also(tally.on_cycle, guards.evaluations.note),
        max_lag_ms=1000 * settings.market_data_max_lag_sec,
        budget_s=RECORDED_BUDGET_S if played else BUDGET_S,
        settings=settings,
        clock=clock,
        venue=timed(source, clock, guards.observe),
        care=care_of(settings) if live else None,
        tally=tally,
        source=source,
    )


def _log(reason: str) -> None:
    log.critical("%s", reason)


@attrs.define(eq=False)
class Lost:
    """Hands on why the instance key was lost; the guards that act on it come after the key."""

    tell: Callable[[str], None] = _log

    def __call__(self, reason: str) -> None:
        """Hand it on."""
        self.tell(reason)


@attrs.frozen(eq=False, kw_only=True)
class _Counted(QuotedSetup):
    tally: Tally
    source: Broker
