"""A paper session on recorded candles: the orchestrator on a virtual clock, continuing where it was."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import attrs

from cab_core.app.config import judge_of, panels_of
from cab_core.clock import VirtualClock
from cab_core.contracts import Account, Broker, BrokerState
from cab_core.cycle.announce import Announcer
from cab_core.cycle.config import CycleConfig
from cab_core.cycle.execute_trade import Execution
from cab_core.cycle.feed import RecordedFeed
from cab_core.cycle.market import RecordedMarket
from cab_core.cycle.moment import MomentReader
from cab_core.cycle.orchestrator import Orchestrator
from cab_core.cycle.records import OrderRecord
from cab_core.cycle.supervise import Supervisor
from cab_core.cycle.trader import Trader
from cab_core.domain.book import Book
from cab_core.domain.book_state import from_state
from cab_core.domain.candles import Series
from cab_core.domain.orders import Intent
from cab_core.domain.regime import RegimeState
from cab_core.domain.regime_timeline import RegimeTimeline
from cab_core.domain.risk import HourlyReturns
from cab_core.domain.timeframes import TF_MS
from cab_core.plugins.registry import Plugins
from cab_core.ports import Cycle, EventBus, Remembered, Storage


class SystemIds:
    """Trace ids from the system's randomness."""

    def trace_id(self) -> str:
        """Return 16 hexadecimal characters."""
        return secrets.token_hex(8)


@attrs.frozen(eq=False, kw_only=True)
class PaperSession:
    """An open session: run ``orchestrator.run()``."""

    orchestrator: Orchestrator
    trader: Trader
    clock: VirtualClock
    feed: RecordedFeed
    broker: Broker


@attrs.frozen(kw_only=True)
class PaperSetup:
    """What a recorded paper session is made of.

    Attributes:
        series: prepared candles by symbol.
        speed: virtual seconds per second, 0 for as fast as possible.
        state: where the paper broker keeps its account, None for memory only.
        on_order, on_cycle: told everything that was made and decided.
    """

    config: CycleConfig
    plugins: Plugins
    series: Mapping[str, Series]
    storage: Storage
    bus: EventBus
    state: BrokerState | None = None
    timeline: RegimeTimeline = attrs.field(factory=RegimeTimeline)
    speed: float = 0.0
    on_order: Callable[[OrderRecord], None] = lambda _: None
    on_cycle: Callable[[Cycle], None] = lambda _: None

    async def open(self) -> PaperSession:
        """Open the session: load what is remembered, settle what was left open."""
        past = await self.storage.remember()
        config = self.config
        walked = {s: int(past.values.get(f"walked:{s}", "0")) for s in config.symbols}
        clock = VirtualClock(_resume_ms(self.series, past.last_candles), self.speed)
        market = RecordedMarket(self.series, clock, config.costs)
        feed = RecordedFeed(market, clock, config.grace_ms, walked, past.last_candles)
        panels = panels_of(self.plugins)
        readers = {s: MomentReader(s, market, panels(s), config) for s in config.symbols}
        trader = Trader(config, _book(config, past), judge_of(self.plugins), _returns(readers), past.halts)
        if past.peak_reset:
            trader.book.reset_peak()
        broker = self._broker(market, clock)
        regime_at = self.timeline.cursor(config.regime).advance
        execution = Execution(
            trader,
            broker,
            self.storage,
            clock,
            gate=_gate(regime_at, clock),
            record=self.on_order,
            stand_at=feed.stand_at,
        )
        announcer = Announcer(self.bus)
        orchestrator = Orchestrator(
            config=config,
            trader=trader,
            execution=execution,
            readers=readers,
            feed=feed,
            storage=self.storage,
            clock=clock,
            ids=SystemIds(),
            announcer=announcer,
            supervisor=Supervisor(clock, announcer.state),
            regime_at=regime_at,
            versions=[(b.name, b.record.version) for b in self.plugins.strategies],
            on_cycle=self.on_cycle,
        )
        await execution.recover(past.open_intents)
        _stand_where_walked(self.series, walked, past.last_candles, feed, trader.book, config)
        return PaperSession(orchestrator=orchestrator, trader=trader, clock=clock, feed=feed, broker=broker)

    def _broker(self, market: RecordedMarket, clock: VirtualClock) -> Broker:
        bound = self.plugins.broker
        if bound is None:
            raise ValueError("a paper session needs a broker plugin")
        account = Account(
            symbols=self.config.symbols,
            initial_quote=self.config.baseline,
            costs=self.config.costs,
            instruments=self.config.instruments,
            clock=clock,
            seed=self.config.fill_seed,
            market=market,
            state=self.state,
        )
        opened: Broker = bound.call(account)
        return opened


def _resume_ms(series: Mapping[str, Series], evaluated: Mapping[str, int]) -> int:
    """Return the instant before the first walk of the first candle that was not evaluated yet."""
    closes = []
    for symbol, prepared in series.items():
        stamps = prepared.bars.ts_ms
        left = stamps[stamps > evaluated.get(symbol, -1)]
        if len(left):
            closes.append(int(left[0]) + TF_MS)
    return min(closes, default=0) - 1


def _book(config: CycleConfig, past: Remembered) -> Book:
    if past.account is None:
        return Book(config.baseline, config.instruments)
    return from_state({"account": past.account, "positions": past.positions}, config.instruments)


def _returns(readers: Mapping[str, MomentReader]) -> Callable[[str, int], HourlyReturns | None]:
    def hourly_returns(symbol: str, now_ms: int) -> HourlyReturns | None:
        reader = readers.get(symbol)
        return None if reader is None or reader.higher is None else reader.higher.hourly_returns(now_ms)

    return hourly_returns


def _gate(
    regime_at: Callable[[int], RegimeState | None], clock: VirtualClock
) -> Callable[[Intent], str | None]:
    """Return the second enforcement of the regime, right before a buy is sent."""

    def gate(_: Intent) -> str | None:
        regime = regime_at(clock.now_ms())
        if regime is None:
            return "regime_stale"
        return None if regime.state.entries_allowed else f"regime_{regime.state}"

    return gate


def _stand_where_walked(
    series: Mapping[str, Series],
    walked: Mapping[str, int],
    evaluated: Mapping[str, int],
    feed: RecordedFeed,
    book: Book,
    config: CycleConfig,
) -> None:
    """After a restart between a candle's walk and its evaluation, stand at that candle's close again."""
    for symbol, close_ms in walked.items():
        if close_ms <= evaluated.get(symbol, -TF_MS) + TF_MS:
            continue
        stamps = series[symbol].bars.ts_ms
        row = int((stamps == close_ms - TF_MS).argmax())
        bid = config.costs.bid(Decimal(repr(float(series[symbol].bars.close[row]))))
        feed.stand_at(symbol, bid)
        book.mark(symbol, bid)


__all__: Sequence[str] = ["PaperSession", "PaperSetup", "SystemIds"]
