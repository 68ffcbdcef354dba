"""A trading session put together: one assembly for recorded and for quoted markets."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

import attrs

from cab_core.app.config import judge_of, panels_of
from cab_core.app.regime import saved, still_fresh
from cab_core.clock import Clock
from cab_core.cycle.announce import Announcer
from cab_core.cycle.config import CycleConfig
from cab_core.cycle.execute_trade import Execution
from cab_core.cycle.feed import Feed
from cab_core.cycle.moment import MomentReader
from cab_core.cycle.orchestrator import Orchestrator
from cab_core.cycle.records import OrderRecord
from cab_core.cycle.regime_watch import RegimeWatch
from cab_core.cycle.settlement import Settlement
from cab_core.cycle.supervise import Loop, Supervisor
from cab_core.cycle.trader import Trader
from cab_core.domain.book import Book
from cab_core.domain.book_state import from_state
from cab_core.domain.orders import Intent
from cab_core.domain.regime import RegimeState
from cab_core.domain.regime_timeline import RegimeTimeline
from cab_core.domain.risk import HourlyReturns
from cab_core.plugins.registry import Plugins
from cab_core.ports import Cycle, EventBus, Remembered, Storage
from cab_core.sdk import Account, Broker, BrokerState, Market

#: The regime at a time; None while it is unknown or too old.
RegimeAt = Callable[[int], RegimeState | None]


class SystemIds:
    """Trace ids from the system's randomness."""

    def trace_id(self) -> str:
        """Return 16 hexadecimal characters."""
        return secrets.token_hex(8)


@attrs.frozen(eq=False, kw_only=True)
class Parts:
    """What a session is made of, whatever market it trades on.

    Attributes:
        state: where a paper broker keeps its account, None for memory only.
        timeline: scripted macro readings; used where ``watch`` is None.
        watch: makes the watch over the macro sources on the session's clock.
        on_order, on_cycle: told everything that was made and decided.
        max_lag_ms: how late the newest candle may be before entries are blocked.
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


@attrs.frozen(eq=False)
class Venue:
    """A market with the clock it runs on and the feed that says when to look."""

    clock: Clock
    market: Market
    feed: Feed


@attrs.frozen(eq=False, kw_only=True)
class Session:
    """An open session: run ``orchestrator.run()``."""

    orchestrator: Orchestrator
    trader: Trader
    venue: Venue
    broker: Broker
    regime_at: RegimeAt


async def assemble(parts: Parts, venue: Venue, past: Remembered) -> Session:
    """Open the session: load what is remembered, ask the macro sources, settle what was left open."""
    config, clock, feed = parts.config, venue.clock, venue.feed
    panels = panels_of(parts.plugins)
    readers = {s: MomentReader(s, venue.market, panels(s), config) for s in config.symbols}
    trader = Trader(config, _book(config, past), judge_of(parts.plugins), _returns(readers), past.halts)
    if past.peak_reset:
        trader.book.reset_peak()
    announcer = Announcer(parts.bus, trader.book, config.max_slippage_pct)
    regime_at, background = await _regime(parts, clock, announcer, past)
    broker = _broker(parts, venue)
    settlement = Settlement(trader, broker, parts.storage, clock, events=announcer, record=parts.on_order)
    execution = Execution(
        trader,
        broker,
        parts.storage,
        clock,
        settlement,
        gate=_gate(regime_at, clock),
        stand_at=feed.stand_at,
    )
    orchestrator = Orchestrator(
        config=config,
        trader=trader,
        execution=execution,
        readers=readers,
        feed=feed,
        storage=parts.storage,
        clock=clock,
        ids=SystemIds(),
        announcer=announcer,
        supervisor=Supervisor(clock, announcer.state),
        regime_at=regime_at,
        versions=[(b.name, b.record.version) for b in parts.plugins.strategies],
        max_lag_ms=parts.max_lag_ms,
        on_cycle=parts.on_cycle,
        background=background,
    )
    await execution.recover(past.open_intents)
    return Session(orchestrator=orchestrator, trader=trader, venue=venue, broker=broker, regime_at=regime_at)


async def _regime(
    parts: Parts, clock: Clock, announcer: Announcer, past: Remembered
) -> tuple[RegimeAt, tuple[Loop, ...]]:
    if parts.watch is None:
        return parts.timeline.cursor(parts.config.regime).advance, ()
    watch = saved(parts.watch(clock), parts.storage.save_regime)
    watch.on_change = announcer.regime
    if past.regime is not None:
        watch.restore(past.regime)
    await watch.poll()  # the regime is known before the first entry
    return still_fresh(watch), (Loop("account", "regime", watch.run, background=True),)


def _broker(parts: Parts, venue: Venue) -> Broker:
    bound = parts.plugins.broker
    if bound is None:
        raise ValueError("a session needs a broker plugin")
    config = parts.config
    account = Account(
        symbols=config.symbols,
        initial_quote=config.baseline,
        costs=config.costs,
        instruments=config.instruments,
        clock=venue.clock,
        seed=config.fill_seed,
        market=venue.market,
        state=parts.state,
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


def _gate(regime_at: RegimeAt, clock: Clock) -> Callable[[Intent], str | None]:
    """Return the second enforcement of the regime, right before a buy is sent."""

    def gate(_: Intent) -> str | None:
        regime = regime_at(clock.now_ms())
        if regime is None:
            return "regime_stale"
        return None if regime.state.entries_allowed else f"regime_{regime.state}"

    return gate
