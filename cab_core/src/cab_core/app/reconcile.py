"""``cab reconcile``: one comparison of an account with its venue, beside the bot or in its place."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal

import attrs

from cab_core.app.bus import event_bus
from cab_core.app.config import cycle_config, plugins_for
from cab_core.app.continuing import left_open, misfits, place_of, stored
from cab_core.app.ids import SystemIds
from cab_core.app.instance import instance_key, only_instance
from cab_core.app.live import open_venue, venue_plugin
from cab_core.app.same_account import require_account_of
from cab_core.app.session import open_broker
from cab_core.app.stored_account import stored_execution
from cab_core.bus.memory import MemoryBus
from cab_core.clock import Clock, SystemClock, VirtualClock
from cab_core.cycle.announce import Announcer
from cab_core.cycle.cash import CashWatch
from cab_core.cycle.config import CycleConfig
from cab_core.cycle.reconcile import Reconciler, Reconciliation, as_data, covered
from cab_core.domain.bars import Bars
from cab_core.domain.market import Costs, Quote
from cab_core.domain.money import fraction
from cab_core.domain.reconcile import Finding
from cab_core.errors import CabError, ConfigError, LockedError, NotRunningError, RefusedError
from cab_core.plugins.kinds import Kind
from cab_core.ports import EventBus, Remembered, Storage
from cab_core.safety.instance_lock import Holder
from cab_core.sdk import Broker, BrokerState
from cab_core.settings import Settings
from cab_core.storage import (
    AuditEntry,
    NoDatabaseError,
    PaperState,
    Store,
    visit,
    write_audit,
)
from cab_core.storage.beside import RecordsBeside
from cab_core.storage.records import Records

log = logging.getLogger("cab.reconcile")

#: How often a symbol is asked again while an order of it is under way, a second apart.
PATIENCE = 15


@attrs.frozen(kw_only=True)
class Wish:
    """What the operator wants done.

    Attributes:
        fix: make the corrections that need no further look.
        force: shrink a position at once.
        adopt: take over base that the bot did not buy.
        actor: who wants it, for the audit trail.
    """

    fix: bool = False
    force: bool = False
    adopt: bool = False
    actor: str = "cli:unknown"

    @property
    def writes(self) -> bool:
        """Whether anything may be changed."""
        return self.fix or self.force or self.adopt


@attrs.frozen(kw_only=True)
class Compared:
    """What came of one symbol.

    Attributes:
        findings: what differed. ``corrected``: what was done about it.
        left: mismatches that remain.
        skipped: why there is no verdict, None if there is one.
    """

    symbol: str
    findings: Sequence[Finding]
    corrected: Sequence[str]
    left: Sequence[Finding]
    skipped: str | None

    @property
    def clean(self) -> bool:
        """Whether book and venue agree now."""
        return self.skipped is None and not self.left


async def reconcile(
    settings: Settings, symbols: Sequence[str], wish: Wish, leaving: Sequence[str] = ()
) -> list[Compared]:
    """Compare symbols with the venue, and correct what the operator wants corrected.

    Args:
        settings: checked settings.
        symbols: which to compare.
        wish: what may be changed.
        leaving: symbols that are open beside SYMBOLS.

    Raises:
        LockedError: something is to be corrected while a bot runs.
        CabError: the venue or the database did not answer.
    """
    trace_id = SystemIds().trace_id()
    async with _opened(settings, wish, leaving, trace_id) as (reconciler, store):
        compared = []
        for symbol in symbols:
            compared.append(await _compared(reconciler, symbol, wish))
            if store is not None:
                await _audit(store, compared[-1], wish, trace_id)
        return [*compared, *await _cash(reconciler, settings, wish)]


async def _cash(reconciler: Reconciler, settings: Settings, wish: Wish) -> Sequence[Compared]:
    """Compare the account's cash, if all of its symbols agree: only then it tells something."""
    watch = CashWatch(reconciler=reconciler, fixed=settings.equity_baseline_quote is not None)
    seen = await watch.look(fix=wish.writes, force=wish.force)
    if seen.finding is None:
        return []
    found, done = (seen.finding,), seen.corrected
    return [Compared(symbol=seen.finding.symbol, findings=found, corrected=done, left=(), skipped=None)]


async def _audit(store: Store, compared: Compared, wish: Wish, trace_id: str) -> None:
    """Note who corrected what; the corrections themselves are journalled with their own rows."""
    options = {"fix": wish.fix, "force_sync": wish.force, "adopt": wish.adopt}
    entry = AuditEntry(
        actor=wish.actor,
        role="admin",
        surface="cli",
        action="reconcile",
        target=compared.symbol,
        before={"options": options, "findings": [as_data(finding) for finding in compared.findings]},
        after={"corrected": list(compared.corrected), "left": [as_data(found) for found in compared.left]},
        outcome="ok" if compared.skipped is None else f"failed: {compared.skipped}",
        trace_id=trace_id,
    )
    now_ms = SystemClock().now_ms()
    await store.transact(lambda conn: write_audit(conn, entry, now_ms))


def require_account(settings: Settings, wish: Wish) -> Sequence[str]:
    """Refuse to compare what is not there, or an account that the settings do not fit.

    Must not be called while an event loop runs.

    Returns:
        The symbols that are open beside SYMBOLS.

    Raises:
        NotRunningError: there is no account yet.
        ConfigError: everything in the settings that does not fit it.
        RefusedError: ADOPT_EXTERNAL is off.
    """
    where = place_of(settings)
    if wish.adopt and not settings.adopt_external:
        raise RefusedError(
            "a balance that the bot did not buy is not taken over",
            where="ADOPT_EXTERNAL=false",
            fix="set ADOPT_EXTERNAL=true if the bot shall sell it by its exit rules",
        )
    try:
        found = visit(where, stored)
    except NoDatabaseError as error:
        raise NotRunningError(
            f"{error.what}: cab has not run here yet", where=error.where, fix="run: cab run (or set DB_PATH)"
        ) from error
    if found.owner is None or found.started_with is None:
        raise NotRunningError(
            "the account has not traded yet: there is nothing to compare",
            where=str(where),
            fix="run: cab run",
        )
    if problems := [*misfits(settings, found), *_venue_problems(settings)]:
        raise ConfigError(problems)
    return left_open(settings, found)


def _venue_problems(settings: Settings) -> Sequence[CabError]:
    """Return what is wrong with the broker of a real account; a simulated one is valued without."""
    try:
        if settings.mode == "live":
            venue_plugin(settings)
    except ConfigError as error:
        return error.problems
    return ()


async def _compared(reconciler: Reconciler, symbol: str, wish: Wish) -> Compared:
    seen = await _patiently(reconciler, symbol, wish)
    left = seen
    if wish.writes and seen.skipped is None:
        left = await _patiently(reconciler, symbol, Wish())
    return Compared(
        symbol=symbol,
        findings=seen.findings,
        corrected=seen.corrected,
        left=left.mismatches,
        skipped=left.skipped,
    )


async def _patiently(reconciler: Reconciler, symbol: str, wish: Wish) -> Reconciliation:
    """Compare; while an order is under way, wait for its end for a while."""
    clock = reconciler.clock
    for _ in range(PATIENCE):
        seen = await reconciler.run_once(symbol, fix=wish.writes, force=wish.force, adopt=wish.adopt)
        if seen.skipped is None:
            break
        await clock.sleep_until(clock.now_ms() + 1000)
    return seen


@asynccontextmanager
async def _opened(
    settings: Settings, wish: Wish, leaving: Sequence[str], trace_id: str
) -> AsyncIterator[tuple[Reconciler, Store | None]]:
    async with AsyncExitStack() as stack:
        bus: EventBus = MemoryBus()
        store: Store | None = None
        where = place_of(settings)
        if wish.writes:
            holder, nonce = _lock(stack, settings), SystemIds().trace_id()
            await stack.enter_async_context(instance_key(settings, holder, nonce, log.critical))
            bus = (await stack.enter_async_context(event_bus(settings, nonce))).bus
            store = writer = await Store.open(where, alone=True)
            stack.push_async_callback(writer.close)
            storage: Storage = Records(writer, settings.exchange if settings.mode == "live" else "paper")
            state: BrokerState = PaperState(writer)
        else:
            storage = state = RecordsBeside(where)
        past = await storage.remember()
        config = cycle_config(settings, [], settings.symbols, leaving)
        if settings.mode == "live":
            clock: Clock = SystemClock()
            broker = open_venue(venue_plugin(settings).broker, settings, config, clock)
            stack.push_async_callback(broker.close)
            await require_account_of(broker, settings)
            config = attrs.evolve(config, instruments=await broker.instruments())
        else:
            virtual = VirtualClock(past.as_of_ms or SystemClock().now_ms())
            await stack.enter_async_context(virtual.joined())
            clock, broker = virtual, _paper(settings, config, past, state, virtual)
        yield _reconciler(settings, config, past, storage, broker, clock, bus, trace_id), store


def _lock(stack: AsyncExitStack, settings: Settings) -> Holder:
    try:
        return stack.enter_context(only_instance(settings, SystemClock().now_ms()))
    except LockedError as error:
        fix = "a running bot corrects by itself; stop it first to correct by hand, or leave out the options"
        raise LockedError(error.what, where=error.where, fix=fix) from error


def _paper(
    settings: Settings, config: CycleConfig, past: Remembered, state: BrokerState, clock: Clock
) -> Broker:
    """Open the simulated account, at the prices it was last valued at."""
    bound = plugins_for(settings, {Kind.STRATEGY: (), Kind.BROKER: ["paper"]}).broker
    marks = {} if past.account is None else past.account["marks"]
    bids = {symbol: Decimal(text) for symbol, text in marks.items()}
    return open_broker(bound, config, clock, market=_Marks(bids, config.costs, clock), state=state)


def _reconciler(
    settings: Settings,
    config: CycleConfig,
    past: Remembered,
    storage: Storage,
    broker: Broker,
    clock: Clock,
    bus: EventBus,
    trace_id: str,
) -> Reconciler:
    execution = stored_execution(config, past, storage, broker, clock)
    stops = settings.mode == "live" and settings.exits_exchange_stop
    return Reconciler(
        trader=execution.trader,
        broker=broker,
        execution=execution,
        storage=storage,
        clock=clock,
        announcer=Announcer(bus, execution.trader.book),
        trace_id=lambda: trace_id,
        since_ms=clock.now_ms() if past.as_of_ms is None else past.as_of_ms,
        covered_ms=covered(past.values),
        stop_offset=fraction(settings.exits_stop_limit_offset_pct) if stops else None,
    )


@attrs.frozen
class _Marks:
    """A market that stands where the account was last valued."""

    bids: dict[str, Decimal]
    costs: Costs
    clock: Clock

    async def quote(self, symbol: str) -> Quote:
        bid = self.bids.get(symbol)
        ask = None if bid is None else self.costs.ask_of_bid(bid)
        return Quote(bid, ask, self.clock.now_ms())

    async def candles(self, symbol: str, timeframe: str, limit: int) -> Bars:
        raise CabError(f"no candles of {symbol} here", where=f"{timeframe} x {limit}")


__all__ = ["Compared", "Wish", "reconcile", "require_account"]
