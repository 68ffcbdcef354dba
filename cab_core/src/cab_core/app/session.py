"""A trading session put together: one assembly for recorded and for quoted markets."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from cab_core.app.config import RECORDED_BUDGET_S, judge_of, panels_of
from cab_core.app.continuing import tell_leaving
from cab_core.app.entry_gates import RegimeAt, gate_of, no_entry_of
from cab_core.app.ids import SystemIds
from cab_core.app.regime import saved, still_fresh
from cab_core.app.seen_candles import SeenCandles
from cab_core.app.trust import Trust
from cab_core.clock import Clock, TurnLock
from cab_core.cycle.announce import Announcer
from cab_core.cycle.beats import Beats
from cab_core.cycle.cash import CashWatch
from cab_core.cycle.config import CycleConfig
from cab_core.cycle.cycle_records import CycleRecords
from cab_core.cycle.decide import Decider
from cab_core.cycle.execute_trade import Execution
from cab_core.cycle.exit_watch import ExitWatch
from cab_core.cycle.feed import Feed
from cab_core.cycle.fuse import fused
from cab_core.cycle.look_watch import LookWatch, late_after_ms
from cab_core.cycle.market import RecordedMarket
from cab_core.cycle.moment import MomentReader
from cab_core.cycle.orchestrator import Orchestrator
from cab_core.cycle.prices import ObservedPrices, Prices, RecordedPrices
from cab_core.cycle.protect import Protector
from cab_core.cycle.reconcile import Reconciler, covered
from cab_core.cycle.records import OrderRecord
from cab_core.cycle.regime_watch import RegimeWatch
from cab_core.cycle.rules_watch import RulesWatch
from cab_core.cycle.settlement import Settlement
from cab_core.cycle.supervise import LASTING, Loop, State, Supervisor
from cab_core.cycle.trader import Trader
from cab_core.domain.book import Book
from cab_core.domain.book_state import from_state
from cab_core.domain.regime_timeline import RegimeTimeline
from cab_core.domain.risk import HourlyReturns
from cab_core.errors import CabError, StorageError
from cab_core.plugins.bound import Bound
from cab_core.plugins.registry import Plugins
from cab_core.ports import Cycle, EventBus, Remembered, Storage
from cab_core.sdk import Account, Broker, BrokerState, Market

log = logging.getLogger("cab.session")

#: Where it is remembered, by symbol, in which state an operator left it; JSON, as all such values are.
STATE_KEY = "state:"


@attrs.frozen(eq=False, kw_only=True)
class Parts:
    """What a session is made of, whatever market it trades on.

    Attributes:
        state: where a paper broker keeps its account, None for memory only.
        timeline: scripted macro readings; used where ``watch`` is None.
        watch: makes the watch over the macro sources on the session's clock.
        on_order, on_cycle: told everything that was made and decided.
        max_lag_ms: how late the newest candle may be before entries are blocked.
        budget_s: seconds a strategy or rule may take.
        idle: entries wait until an operator starts the symbols.
        no_entry: further reasons that forbid entries, each asked with the symbol.
        beat: called after each completed look at a symbol's exits.
    """

    config: CycleConfig
    plugins: Plugins
    storage: Storage
    bus: EventBus
    state: BrokerState | None = None
    timeline: RegimeTimeline = attrs.field(factory=RegimeTimeline)
    watch: Callable[[Clock], RegimeWatch] | None = None
    on_order: Callable[[OrderRecord], None] = lambda _: None
    on_cycle: Callable[[Cycle], None] = lambda _: None
    max_lag_ms: int = 120_000
    budget_s: float = RECORDED_BUDGET_S
    idle: bool = False
    no_entry: Sequence[Callable[[str], str | None]] = ()
    beat: Callable[[], None] = lambda: None


@attrs.frozen(eq=False)
class Venue:
    """A market with the clock it runs on, the feed that says when to look, and the account orders go to.

    Attributes:
        exits_ms: time between looks at its prices; None on a recorded market, whose prices are exact.
    """

    clock: Clock
    market: Market
    feed: Feed
    broker: Broker
    exits_ms: int | None = None


@attrs.frozen(eq=False, kw_only=True)
class Care:
    """What a session on a real account needs, and a simulated one has no use for.

    Attributes:
        stop_offset: how far the limit of a stop at the exchange lies below its trigger, as a fraction; None
            lets no stop rest there.
        resting_ms: time between looks at a resting stop.
        reconcile_ms: time between reconciliations.
        fixed_capital: how much of the account is the bot's was set; what lies beside it is the owner's.
        jitter: a number between -1 and 1 that varies pauses.
    """

    stop_offset: Decimal | None
    resting_ms: int = 5_000
    reconcile_ms: int = 60_000
    fixed_capital: bool = False
    jitter: Callable[[], float] = lambda: 0.0


@attrs.frozen(eq=False, kw_only=True)
class Session:
    """An open session: run ``orchestrator.run()``.

    Attributes:
        reconciler, cash: None on a simulated account, which nobody else can touch.
        seen: the candles that were last evaluated.
        trust: whether what its plugins say can be believed. ``finish``: looks at the rest at the end.
        regimes: the watch over the macro sources, None where they are scripted or none is configured.
    """

    orchestrator: Orchestrator
    trader: Trader
    venue: Venue
    regime_at: RegimeAt
    reconciler: Reconciler | None = None
    cash: CashWatch | None = None
    seen: SeenCandles
    trust: Trust
    finish: Callable[[], None]
    regimes: RegimeWatch | None = None

    @property
    def broker(self) -> Broker:
        """The opened account."""
        return self.venue.broker

    async def take_up(self) -> None:
        """Settle what was left open, compare the book with the venue, arm protection: before anything new."""
        await self.orchestrator.execution.recover()
        await self.compare()

    async def compare(self) -> None:
        """Compare the book with the venue and bring protection up to date."""
        if self.reconciler is None:
            return
        for symbol in self.trader.config.symbols:
            try:
                await self.reconciler.run_once(symbol, fix=True)
            except StorageError:
                raise
            except CabError as error:
                log.warning("%s could not be reconciled: %s", symbol, error)
            if self.orchestrator.protector is not None:
                async with self.orchestrator.lock:
                    await self.orchestrator.protector.tend(symbol)
        if self.cash is not None:
            await self.cash.try_look()


async def assemble(parts: Parts, venue: Venue, past: Remembered, care: Care | None = None) -> Session:
    """Put a session together over what is remembered, and ask the macro sources. Nothing is sent yet."""
    parts = attrs.evolve(parts, storage=fused(parts.storage))
    config, clock, feed = parts.config, venue.clock, venue.feed
    judge = judge_of(parts.plugins, parts.budget_s)
    trust = Trust(
        strategies=parts.plugins.strategies,
        judge=judge,
        panels=panels_of(parts.plugins, parts.budget_s),
        budget_s=parts.budget_s,
        later=venue.exits_ms is None,
    )
    seen = SeenCandles(venue.market)
    readers = {s: MomentReader(s, seen, trust.panel(s), config) for s in config.symbols}
    trader = Trader(config, _book(config, past), judge, _returns(readers), past.halts)
    if past.peak_reset:
        trader.book.reset_peak()
    announcer = Announcer(parts.bus, trader.book, config.max_slippage_pct)
    watch = trust.sources = None if parts.watch is None else parts.watch(clock)
    regime_at, background = await _regime(parts, watch, announcer, past)
    lock = TurnLock(clock)
    execution = _execution(parts, venue, trader, announcer, regime_at, care, lock)
    reconciler = None if care is None else _reconciler(execution, announcer, care, past, lock)
    cash = None
    if care is not None and reconciler is not None:
        rules = RulesWatch(execution, clock, lock, SystemIds().trace_id)
        cash = CashWatch(reconciler=reconciler, fixed=care.fixed_capital)
        loops = {"reconcile": reconciler.run, "rules": rules.run, "cash": cash.run}
        background += tuple(Loop("account", name, make, background=True) for name, make in loops.items())
    versions = [(b.name, b.record.version) for b in parts.plugins.strategies]
    records = CycleRecords(parts.storage, clock, SystemIds(), execution, announcer, versions)
    exits = ExitWatch(
        feed,
        execution,
        records,
        late_after_ms(venue.exits_ms),
        protector=None
        if care is None or reconciler is None
        else _protector(execution, announcer, care, reconciler),
        looked=Beats(lambda: trader.book.positions, parts.beat).looked,
    )
    supervisor = Supervisor(clock, SystemIds(), announcer.state, announcer.failing)
    prices = _prices(venue, trader.book, records, seen)
    if venue.exits_ms is not None:
        background += (Loop("account", "looks", LookWatch(exits, venue.exits_ms).run, background=True),)
    decider = Decider(
        config,
        readers,
        exits,
        prices,
        supervisor,
        regime_at,
        max_lag_ms=parts.max_lag_ms,
        no_entry=no_entry_of(trader, reconciler, parts.no_entry),
    )
    orchestrator = Orchestrator(
        decider=decider,
        exits=exits,
        feed=feed,
        clock=clock,
        supervisor=supervisor,
        on_cycle=trust.after(parts.on_cycle, announcer),
        background=background,
        lock=lock,
        begin=_begin(parts, past),
    )
    execution.take_over(past.open_intents)
    tell_leaving(config.leaving, announcer, SystemIds().trace_id(), clock.now_ms())
    return Session(
        orchestrator=orchestrator,
        trader=trader,
        venue=venue,
        regime_at=regime_at,
        reconciler=reconciler,
        cash=cash,
        seen=seen,
        trust=trust,
        finish=lambda: trust.finish(announcer, SystemIds().trace_id()),
        regimes=watch,
    )


def _prices(venue: Venue, book: Book, records: CycleRecords, seen: SeenCandles) -> Prices:
    if venue.exits_ms is None:
        return RecordedPrices(venue.market, book)
    return ObservedPrices(venue.market, book, records, seen.last, venue.exits_ms)


def _begin(parts: Parts, past: Remembered) -> dict[str, State]:
    """Return the state each symbol begins in: paused and stopped ones stay so, an idle start waits.

    A symbol that comes back into SYMBOLS comes back in the state it was left in.
    """
    begin = dict.fromkeys(parts.config.symbols, State.IDLE if parts.idle else State.RUNNING)
    for symbol in begin:
        left = left_in(past.values.get(f"{STATE_KEY}{symbol}"))
        if left is not None:
            begin[symbol] = left
            log.warning("%s is still %s: cab %s --symbol %s", symbol, left, LASTING[left], symbol)
    return begin


def left_in(remembered: str | None) -> State | None:
    """Return the state an operator left a symbol in, where it outlives a restart."""
    state = None if remembered is None else State(json.loads(remembered))
    return state if state in LASTING else None


def _execution(
    parts: Parts,
    venue: Venue,
    trader: Trader,
    announcer: Announcer,
    regime_at: RegimeAt,
    care: Care | None,
    lock: TurnLock,
) -> Execution:
    clock, broker, storage = venue.clock, venue.broker, parts.storage
    settlement = Settlement(trader, broker, storage, clock, events=announcer, record=parts.on_order)
    execution = Execution(
        trader,
        broker,
        storage,
        clock,
        settlement,
        gate=gate_of(regime_at, trader, clock),
        recorded=venue.market if isinstance(venue.market, RecordedMarket) else None,
        lock=lock,
    )
    if care is not None:
        settlement.resting_ms, execution.jitter = care.resting_ms, care.jitter
    return execution


def _protector(
    execution: Execution, announcer: Announcer, care: Care, reconciler: Reconciler
) -> Protector | None:
    caps = execution.broker.caps()
    if care.stop_offset is None or caps.native_stop not in {"limit", "both"}:
        return None
    return Protector(
        execution,
        execution.clock,
        care.stop_offset,
        caps.stop_max_ttl_s,
        announcer.alert,
        SystemIds().trace_id,
        reconciler.unknown.may_arm,
    )


def _reconciler(
    execution: Execution, announcer: Announcer, care: Care, past: Remembered, lock: TurnLock
) -> Reconciler:
    clock = execution.clock
    return Reconciler(
        trader=execution.trader,
        broker=execution.broker,
        execution=execution,
        storage=execution.storage,
        clock=clock,
        announcer=announcer,
        trace_id=SystemIds().trace_id,
        since_ms=clock.now_ms() if past.as_of_ms is None else past.as_of_ms,
        covered_ms=covered(past.values),
        interval_ms=care.reconcile_ms,
        stop_offset=care.stop_offset,
        turn=lock,
    )


async def _regime(
    parts: Parts, watch: RegimeWatch | None, announcer: Announcer, past: Remembered
) -> tuple[RegimeAt, tuple[Loop, ...]]:
    if watch is None:
        return parts.timeline.cursor(parts.config.regime).advance, ()
    saved(watch, parts.storage.save_regime)
    watch.on_change = lambda old, new: announcer.regime(old, new, SystemIds().trace_id())
    if past.regime is not None:
        watch.restore(past.regime)
    await watch.poll()  # the regime is known before the first entry
    return still_fresh(watch), (Loop("account", "regime", watch.run, background=True),)


def open_broker(bound: Bound | None, config: CycleConfig, clock: Clock, **given: Any) -> Broker:
    """Open the account of a broker plugin.

    Args:
        bound: the plugin.
        config: symbols, costs, precision and start balance.
        clock: the session's clock.
        given: what else the account is opened with: market and state, or credentials.
    """
    if bound is None:
        raise ValueError("a session needs a broker plugin")
    account = Account(
        symbols=config.symbols,
        initial_quote=config.baseline,
        costs=config.costs,
        instruments=config.instruments,
        clock=clock,
        seed=config.fill_seed,
        fixed_amount=config.fixed_amount,
        leaving=config.leaving,
        **given,
    )
    opened: Broker = bound.call(account)
    return opened


def _book(config: CycleConfig, past: Remembered) -> Book:
    if past.account is None:
        return Book(config.baseline, config.instruments)
    return from_state({"account": past.account, "positions": past.positions}, config.instruments)


def _returns(readers: Mapping[str, MomentReader]) -> Callable[[str, int], HourlyReturns | None]:
    def hourly_returns(symbol: str, now_ms: int) -> HourlyReturns | None:
        reader = readers.get(symbol)
        return None if reader is None or reader.higher is None else reader.higher.hourly_returns(now_ms)

    return hourly_returns
