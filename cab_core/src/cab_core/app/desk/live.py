"""The desk of the bot in this process: its session's memory where that knows better than the database."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

import attrs

from cab_core import __version__
from cab_core.app.desk import charts, views
from cab_core.app.desk.base import DatabaseDesk
from cab_core.app.desk.catalog import plugin_views
from cab_core.app.desk.commands import Command, Done
from cab_core.app.desk.control import Control
from cab_core.app.desk.health import Look, components, status_of, waiting_for
from cab_core.app.desk.holdings import account_view, position_view
from cab_core.app.desk.lists import decision_of
from cab_core.app.desk.regime import live_regime
from cab_core.app.desk.risk import book_limits, halt_views, risk_view
from cab_core.app.guards import Guards
from cab_core.app.running import Running
from cab_core.app.seen_candles import TIMEFRAME
from cab_core.clock import SystemClock
from cab_core.errors import CabError, StorageError
from cab_core.plugins.registry import Plugins
from cab_core.ports import Cycle
from cab_core.storage import Connection, Store
from cab_core.storage.pages import newest_traces


@attrs.define(eq=False, kw_only=True)
class LiveDesk(DatabaseDesk):
    """Tells what a session is doing, and commands it. No question ever waits for the exchange.

    Attributes:
        running: the run.
        store: its open database.
        plugins_loaded: its plugins.
        started_ms: when it started, by the machine's clock.
        guards: what watches over it, None on a recorded market.
    """

    running: Running
    store: Store
    plugins_loaded: Plugins
    started_ms: int
    guards: Guards | None = None
    control: Control = attrs.field(
        default=attrs.Factory(lambda self: Control(self.running, self.store), takes_self=True), init=False
    )

    @property
    def symbols(self) -> Sequence[str]:
        """The symbols of the session."""
        return self.running.symbols

    async def health(self) -> views.Health:
        """Return how every part is, as last observed."""
        look = Look(self.running, self.guards, self.plugins_loaded)
        parts = {"db": await self._database(), **components(look)}
        return views.Health(
            status=status_of(parts, ended=bool(self.running.ended)),
            mode=self.settings.mode,
            version=__version__,
            uptime_s=max(0.0, (SystemClock().now_ms() - self.started_ms) / 1000),
            components=parts,
            orchestrators={symbol: str(state) for symbol, state in self.control.states().items()},
        )

    async def ready(self) -> views.Ready:
        """Return whether the start is complete; this desk exists only after the first comparison."""
        missing = waiting_for(Look(self.running, self.guards, self.plugins_loaded))
        if not (await self._database()).ok:
            missing.insert(0, "db")
        return views.Ready(ready=not missing, waiting_for=missing)

    async def status(self, symbol: str | None = None) -> views.Status:
        """Return everything at a glance, at the session's present marks."""
        self.require_symbol(symbol)
        shown = self.symbols if symbol is None else (symbol,)
        newest = await self._last_decisions()
        session, now_ms = self.running.session, self.now_ms()
        trader = session.trader
        halts = halt_views(trader.halts.active(now_ms))
        limits = book_limits(trader.book, trader.halts.released_at, halts, self.settings, now_ms)
        regime = live_regime(session.regime_at(now_ms), session.regimes, self.settings)
        risk = self._risk_stop(halts, limits)
        return views.Status(
            mode=self.settings.mode,
            market=self.running.market,
            exchange=self.settings.exchange,
            version=__version__,
            started_ms=self.started_ms,
            now_ms=now_ms,
            running=not self.running.ended,
            symbols=[self._symbol(each, newest.get(each), regime, risk) for each in shown],
            account=account_view(trader.book, self.settings.symbols),
            halts=halts,
            limits=limits,
            regime=regime,
            unfinished_orders=sum(1 for _ in session.orchestrator.execution.standings),
            troubles=self.running.troubles,
        )

    async def positions(self) -> list[views.PositionView]:
        """Return the open positions at their present marks."""
        return [self._position(symbol) for symbol in sorted(self.running.session.trader.book.positions)]

    async def candles(self, symbol: str, limit: int = 300) -> views.CandlesView:
        """Return the newest closed candles the session has looked at, with what belongs on their chart."""
        self.require_symbol(symbol)
        session = self.running.session
        bars = session.seen.newest.get(symbol)
        if bars is None and self.guards is None:
            bars = await session.venue.market.candles(symbol, TIMEFRAME, limit)  # recorded: at hand
        held = session.trader.book.positions.get(symbol)

        def drawn(conn: Connection) -> views.CandlesView:
            if bars is None:
                columns = charts.recorded_closes(conn, symbol, limit)
            else:
                columns = charts.columns_of(bars, limit)
            return charts.candles_view(conn, symbol, columns, self.closed_trades(conn), held)

        return await self.read(drawn)

    async def risk(self) -> views.RiskView:
        """Return limits, halts and blocks, at the session's present marks."""
        trader, now_ms = self.running.session.trader, self.now_ms()
        halts = halt_views(trader.halts.active(now_ms))
        limits = book_limits(trader.book, trader.halts.released_at, halts, self.settings, now_ms)
        told = await self.read(partial(risk_view, settings=self.settings, now_ms=now_ms))
        regime, stop = await self.regime(), self._risk_stop(halts, limits)
        asked = {symbol: self._blocked_by(symbol, regime, stop) for symbol in self.symbols}
        blocked = {symbol: reason for symbol, reason in asked.items() if reason is not None}
        allowed = len(blocked) < len(asked)
        return attrs.evolve(told, entries_allowed=allowed, blocked_by=blocked, halts=halts, limits=limits)

    async def regime(self) -> views.RegimeView:
        """Return the market regime and its sources."""
        session = self.running.session
        return live_regime(session.regime_at(self.now_ms()), session.regimes, self.settings)

    async def plugins(self) -> list[views.PluginView]:
        """Return every installed plugin and what became of it at the start."""
        return plugin_views(self.plugins_loaded.report.records)

    async def do(self, command: Command) -> Done:
        """Carry out a command and write it to the audit, also if it is refused."""
        return await self.control.do(command)

    def now_ms(self) -> int:
        """Return the session's time."""
        return self.running.session.venue.clock.now_ms()

    def warmups(self) -> Mapping[str, int]:
        """Return by strategy how many closed bars it needs."""
        return {bound.name: bound.warmup_bars for bound in self.plugins_loaded.strategies}

    async def _database(self) -> views.Component:
        began = asyncio.get_running_loop().time()
        try:
            await self.read(lambda _: None)
        except CabError as error:
            return views.Component(ok=False, detail=str(error))
        return views.Component(ok=True, latency_ms=1000 * (asyncio.get_running_loop().time() - began))

    async def _last_decisions(self) -> dict[str, views.Decision]:
        """Return the newest decision of each symbol: of this run, or else on record."""
        last = {symbol: _decision(cycle) for symbol, cycle in self.running.tally.last.items()}
        missing = [symbol for symbol in self.symbols if symbol not in last]
        if missing:
            with suppress(StorageError):  # what the session knows is shown though the database fails
                found = await self.read(partial(newest_traces, symbols=missing))
                last |= {trace.symbol: decision_of(trace) for trace in found}
        return last

    def _symbol(
        self,
        symbol: str,
        decision: views.Decision | None,
        regime: views.RegimeView,
        risk: str | None,
    ) -> views.SymbolStatus:
        session = self.running.session
        orchestrator, book = session.orchestrator, session.trader.book
        state = self.control.states()[symbol]
        failures = orchestrator.supervisor.failures
        return views.SymbolStatus(
            symbol=symbol,
            state=str(state),
            blocked_by=self._blocked_by(symbol, regime, risk),
            bid=book.marks.get(symbol),
            last_decision=decision,
            position=self._position(symbol) if symbol in book.positions else None,
            loops=[
                views.LoopView(name=name, failures=failures.get((symbol, name), 0))
                for name in ("exits", "cycle")
            ],
        )

    def _risk_stop(self, halts: Sequence[views.HaltView], limits: Sequence[views.LimitView]) -> str | None:
        """Return the halt in force, or else the one that the next entry meets, as its limit is reached."""
        asked = {rule.name for rule in self.plugins_loaded.rules}
        reached = [each.rule for each in limits if each.rule in asked and each.reached]
        stops = [*(halt.rule for halt in halts), *reached]
        return f"risk_{stops[0]}" if stops else None

    def _blocked_by(self, symbol: str, regime: views.RegimeView, risk: str | None) -> str | None:
        """Return why an entry would be refused now; of several reasons the one that lasts longest."""
        orchestrator = self.running.session.orchestrator
        if symbol in self.running.session.trader.config.leaving:
            return "not_in_symbols"
        if (held := orchestrator.supervisor.no_entry(symbol)) is not None:
            return held
        if risk is not None:
            return risk
        if regime.state is None:
            return "regime_stale"
        if not regime.entries_allowed:
            return f"regime_{regime.state}"
        return orchestrator.decider.no_entry(symbol) or orchestrator.execution.no_entry(symbol)

    def _position(self, symbol: str) -> views.PositionView:
        session = self.running.session
        book, stop = session.trader.book, session.orchestrator.execution.standings.stop(symbol)
        resting = None if stop is None else stop.intent.order_id
        watched = not self.running.ended and session.orchestrator.exits.watched(symbol)
        return position_view(book.positions[symbol], book.marks.get(symbol), resting, watched=watched)


def live_desk(running: Running, store: Store, plugins: Plugins, guards: Guards | None = None) -> LiveDesk:
    """Return the desk of a run that has just been opened."""
    return LiveDesk(
        settings=running.settings,
        running=running,
        store=store,
        plugins_loaded=plugins,
        started_ms=SystemClock().now_ms(),
        guards=guards,
    )


def _decision(cycle: Cycle) -> views.Decision:
    return views.Decision(
        trace_id=cycle.trace_id,
        symbol=cycle.symbol,
        candle_ts_ms=cycle.candle_ts_ms,
        close=cycle.close,
        action=cycle.action,
        reason=cycle.reason,
        order_key=cycle.order_key,
    )
