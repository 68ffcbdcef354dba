"""``cab run``: a bot from start to stop around the orchestrator."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import attrs

from cab_core.app.alerts import Alerter, EventLog, connect
from cab_core.app.config import cycle_config, plugins_for
from cab_core.app.market_choice import MarketChoice, load_market
from cab_core.app.paper import PaperSetup
from cab_core.app.regime import regime_watch, source_urls
from cab_core.app.session import Session
from cab_core.bus.memory import MemoryBus
from cab_core.clock import SystemClock
from cab_core.cycle.config import CycleConfig
from cab_core.cycle.records import OrderRecord
from cab_core.errors import CabError, ConfigError, ExitCode, RefusedError
from cab_core.plugins.bound import Bound
from cab_core.plugins.kinds import Kind
from cab_core.plugins.lifecycle import start_all, stop_all
from cab_core.plugins.policy import POLICIES, OnLoadFailure
from cab_core.plugins.registry import Plugins
from cab_core.ports import Cycle
from cab_core.safety.instance_lock import instance_lock
from cab_core.settings.schema import Settings
from cab_core.storage import PaperState, Store, bind_account
from cab_core.storage.records import Records

log = logging.getLogger("cab.run")

#: Decisions kept for the live view.
SHOWN = 10

#: Told after the session opened; returns when the session is over.
View = Callable[["Running"], Awaitable[None]]


@attrs.define(eq=False)
class Tally:
    """Counts what a run does.

    Attributes:
        latest: the newest decisions, oldest first.
    """

    latest: deque[Cycle] = attrs.field(factory=lambda: deque(maxlen=SHOWN))
    cycles: int = 0
    actions: Counter[str] = attrs.field(factory=Counter)
    orders: int = 0
    fills: int = 0

    def on_cycle(self, cycle: Cycle) -> None:
        """Count a decision."""
        self.cycles += 1
        self.actions[cycle.action] += 1
        self.latest.append(cycle)

    def on_order(self, order: OrderRecord) -> None:
        """Count an order."""
        self.orders += 1
        self.fills += len(order.fills)


@attrs.define(eq=False, kw_only=True)
class Running:
    """A run as a view sees it.

    Attributes:
        ended: why it ended: ``end`` of the recording, ``SIGINT`` or ``SIGTERM``; empty while it goes on.
    """

    settings: Settings
    market: str
    session: Session
    tally: Tally
    ended: str = ""

    def halted_by(self) -> list[str]:
        """Return the rules that halt all entries now."""
        active = self.session.trader.halts.active(self.session.venue.clock.now_ms())
        return [halt.rule for halt in active]

    def summary(self) -> dict[str, Any]:
        """Return what the run came to, as plain data."""
        book = self.session.trader.book
        return {
            "mode": self.settings.mode,
            "market": self.market,
            "symbols": list(self.settings.symbols),
            "ended": self.ended,
            "now_ms": self.session.venue.clock.now_ms(),
            "cycles": self.tally.cycles,
            "actions": dict(self.tally.actions),
            "orders": self.tally.orders,
            "fills": self.tally.fills,
            "trades": len(book.trades),
            "equity": book.equity(),
            "baseline": book.baseline,
            "realized": book.realized,
            "unrealized": book.unrealized(),
            "positions": {
                symbol: {"quantity": position.quantity, "cost": position.cost}
                for symbol, position in book.positions.items()
            },
            "halts": self.halted_by(),
            "failures": {
                f"{symbol} {loop}": count
                for (symbol, loop), count in self.session.orchestrator.supervisor.failures.items()
            },
        }


def refuse_unusable(settings: Settings) -> None:
    """Refuse what this version does not run.

    Raises:
        RefusedError: live trading, or a start that waits for a control it does not have.
    """
    if settings.mode == "live":
        raise RefusedError(
            "live trading needs the broker plugin cab-broker-ccxt, which is not installed",
            where="MODE=live",
            fix="set MODE=paper",
        )
    if not settings.starts_automatically:
        raise RefusedError(
            "with AUTOSTART=false nothing would ever start trading", where="AUTOSTART", fix="remove it"
        )


def load_run(settings: Settings, symbols: tuple[str, ...]) -> tuple[CycleConfig, Plugins]:
    """Load the plugins of a run and make the core's configuration.

    Raises:
        ConfigError: every plugin problem.
    """
    plugins = plugins_for(
        settings,
        {
            Kind.BROKER: ["paper"],
            Kind.MACRO: list(source_urls(settings)),
            Kind.NOTIFIER: settings.notifier_set,
        },
    )
    return cycle_config(settings, [bound.name for bound in plugins.strategies], symbols), plugins


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
    market = load_market(choice, settings.symbols)
    config, plugins = load_run(settings, settings.symbols)
    for warning in plugins.report.warnings:
        log.warning("%s", warning)
    with instance_lock(settings.instance_lock_path, SystemClock().now_ms()):
        async with _store(settings, choice) as store, _started(plugins):
            bus, tally = MemoryBus(), Tally()
            setup = PaperSetup(
                config=config,
                plugins=plugins,
                series=market.series,
                storage=Records(store, "paper"),
                bus=bus,
                state=PaperState(store),
                watch=regime_watch(settings, plugins),
                trade_from_ms=market.trade_from_ms,
                speed=speed,
                on_order=tally.on_order,
                on_cycle=tally.on_cycle,
            )
            session = await setup.open()
            running = Running(settings=settings, market=choice.label, session=session, tally=tally)
            alerter = Alerter.of(session.venue.clock, plugins.notifiers)
            connect(bus, EventLog(quiet_cycles=speed != 1), alerter)
            try:
                await _until_over(running, view)
            finally:
                await bus.close()
                await alerter.close()
                await session.broker.close()
            return running


async def _until_over(running: Running, view: View) -> None:
    shown = asyncio.create_task(_shown(view, running), name="view")
    try:
        with _stopped_by_signals(running):
            await running.session.orchestrator.run()
        running.ended = running.ended or "end"
    finally:
        shown.cancel()
        await asyncio.gather(shown, return_exceptions=True)


async def _shown(view: View, running: Running) -> None:
    await view(running)


@contextmanager
def _stopped_by_signals(running: Running) -> Iterator[None]:
    """Stop cleanly at the first SIGINT or SIGTERM, at once at the second."""
    loop = asyncio.get_running_loop()
    pending: set[asyncio.Task[None]] = set()

    def on_signal(name: str) -> None:
        if running.ended:
            log.warning("%s again: stopping at once", name)
            os._exit(ExitCode.INTERRUPTED)
        running.ended = name
        log.info("%s: stopping after the present step", name)
        pending.add(asyncio.create_task(running.session.orchestrator.stop(name)))

    names = ("SIGINT", "SIGTERM")
    for name in names:
        loop.add_signal_handler(signal.Signals[name], on_signal, name)
    try:
        yield
    finally:
        for name in names:
            loop.remove_signal_handler(signal.Signals[name])


@asynccontextmanager
async def _store(settings: Settings, choice: MarketChoice) -> AsyncIterator[Store]:
    store = await Store.open(settings.database_url.reveal() or settings.db_path)
    try:
        await store.transact(lambda conn: bind_account(conn, f"paper:{choice.label}"))
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def _started(plugins: Plugins) -> AsyncIterator[None]:
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
