"""One closed candle of one symbol through all stages, to at most one order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

import attrs

from cab_core.cycle.config import CycleConfig
from cab_core.cycle.cycle_records import CycleRecords
from cab_core.cycle.execute_trade import Execution
from cab_core.cycle.exit_watch import ExitWatch
from cab_core.cycle.moment import Moment, MomentReader
from cab_core.cycle.phases import Phases
from cab_core.cycle.prices import Prices
from cab_core.cycle.supervise import State, Supervisor
from cab_core.cycle.trader import Ruling, Trader
from cab_core.domain.belief import QUOTE_MAX_MS
from cab_core.domain.booking import AppliedTo
from cab_core.domain.market import Quote
from cab_core.domain.orders import Purpose
from cab_core.domain.regime import RegimeState
from cab_core.domain.signals import Action
from cab_core.domain.timeframes import TF_MS
from cab_core.ports import Changes, Cycle

#: Spread observations kept per symbol.
SPREADS = 100


@attrs.frozen(eq=False)
class Prepared:
    """A candle that was evaluated, and the price that what it wants needs: none for a hold."""

    moment: Moment
    action: Action
    quote: Quote | None


@attrs.define(eq=False)
class Decider:
    """Decides on candles; the account's lock is held meanwhile, but not while a venue is asked for prices.

    Attributes:
        config: the pure settings.
        readers: evaluates the newest candle of each symbol.
        prices: where every price comes from.
        regime_at: the regime at a time; None while it is unknown or too old, which stops entries.
        max_lag_ms: how late the newest candle may be before entries are blocked.
        no_entry: what else forbids an entry of a symbol now, None if nothing does.
        phases: told how long signals, risk and execution take.
    """

    config: CycleConfig
    readers: Mapping[str, MomentReader]
    exits: ExitWatch
    prices: Prices
    supervisor: Supervisor
    regime_at: Callable[[int], RegimeState | None]
    max_lag_ms: int = 120_000
    no_entry: Callable[[str], str | None] = lambda _: None
    phases: Phases = attrs.field(factory=Phases)
    _spreads: dict[str, deque[float]] = attrs.field(factory=dict, init=False)

    @property
    def execution(self) -> Execution:
        """The only way to the broker's order methods."""
        return self.exits.execution

    @property
    def trader(self) -> Trader:
        """Decides and books."""
        return self.exits.execution.trader

    @property
    def records(self) -> CycleRecords:
        """Writes down what was decided."""
        return self.exits.records

    async def prepare(self, symbol: str, candle_ts_ms: int) -> Prepared | None:
        """Read and evaluate one candle; None if it is not there yet. Nothing is changed and no lock is held.

        A sale waits for nothing but its own symbol's 15m candles: not for the trend, which never applies to
        it, nor for the price of anything else that is held.

        Raises:
            CabError: the venue does not answer.
        """
        now_ms = self.execution.clock.now_ms()
        with self.phases("signals", symbol):
            moment = await self.readers[symbol].read(now_ms)
        if moment is None or moment.candle_ts_ms != candle_ts_ms:
            return None
        action = Action.HOLD if moment.votes is None else Action(int(moment.votes.aggregate.action[0]))
        long = symbol in self.trader.book.positions
        if action == Action.SELL and long:
            price = await self.prices.look(symbol)
            bid = self.trader.book.marks.get(symbol) if price is None else price.value
            return Prepared(moment, action, Quote(bid, None, now_ms))
        if moment.error is not None:
            raise moment.error
        if action != Action.BUY or long:
            return Prepared(moment, action, None)
        for held in [*self.trader.book.positions]:
            await self.readers[held].refresh(now_ms)
        await self.prices.refresh(symbol)
        return Prepared(moment, action, await self.prices.quote(symbol))

    async def decide(
        self, symbol: str, prepared: Prepared | None, candle_ts_ms: int, *, last_try: bool
    ) -> Cycle | None:
        """Take one candle through all stages. Returns None if the entry is delayed and may be tried again."""
        if prepared is None:
            return None if not last_try else await self.records.missed(symbol, candle_ts_ms)
        await self.prices.mark()
        moment, action, quote = prepared.moment, prepared.action, prepared.quote
        trace_id = self.records.trace_id(symbol, candle_ts_ms)
        if not self.supervisor.decides(symbol):
            return await self._hold(symbol, moment, str(State.STOPPED), trace_id)
        long = symbol in self.trader.book.positions
        if action == Action.SELL and long and quote is not None:
            return await self._signal_sell(symbol, moment, quote, trace_id)
        if action == Action.BUY and not long and quote is not None:
            if self.execution.clock.now_ms() - quote.ts_ms > QUOTE_MAX_MS:
                quote = await self.prices.quote(symbol)
            return await self._buy(symbol, moment, quote, trace_id, last_try=last_try)
        return await self._hold(symbol, moment, self._idle_reason(moment, action), trace_id)

    async def _hold(self, symbol: str, moment: Moment, reason: str, trace_id: str) -> Cycle:
        cycle = self.records.cycle(symbol, moment, None, ("hold", reason), None, trace_id)
        await self._observe(symbol)
        await self.records.record(cycle)
        return cycle

    async def _buy(
        self, symbol: str, moment: Moment, quote: Quote, trace_id: str, *, last_try: bool
    ) -> Cycle | None:
        now_ms = self.execution.clock.now_ms()
        await self.refresh_halts(now_ms)
        with self.phases("risk", symbol):
            ruling = self._ruling(symbol, moment, quote, now_ms)
        self.records.announcer.near_limits(ruling, now_ms, trace_id)
        if ruling.reason is not None and ruling.delayed and not last_try:
            return None
        if ruling.reason is not None:
            cycle = self.records.cycle(symbol, moment, ruling, ("hold", ruling.reason), None, trace_id)
            await self._observe(symbol)
            await self.records.record(cycle, ruling)
            self.records.announcer.blocked(symbol, ruling, trace_id)
            return cycle
        names = self.config.aggregation.names
        votes = moment.votes
        voted = [] if votes is None else votes.voted(self.config.aggregation)
        why = AppliedTo(
            Purpose.ENTRY,
            "" if votes is None else votes.aggregate.reason(0),
            trace_id,
            rules=self.config.exits,
            votes=tuple(name for name, column in zip(names, voted, strict=True) if column[0]),
        )
        planned = self.trader.entry(symbol, ruling, quote, moment.candle_ts_ms, now_ms, why)
        cycle = self.records.cycle(symbol, moment, ruling, ("buy", why.reason), planned, trace_id)
        written = await self.execution.plan([planned], cycle=cycle, **self.records.account())
        if written.refused is not None:
            return attrs.evolve(cycle, action="hold", reason=written.refused, order_key=None)
        await self._observe(symbol)
        self.prices.enter(symbol, quote)
        with self.phases("execute", symbol):
            done = await self.execution.execute_trade(planned)
        if self.exits.protector is not None:
            await self.exits.protector.tend(symbol)
        if done.refused is None:
            return cycle
        refused = attrs.evolve(cycle, action="hold", reason=done.refused)
        await self.execution.storage.commit(Changes(ts_ms=now_ms, trace_id=trace_id, revised=refused))
        return refused

    async def _signal_sell(self, symbol: str, moment: Moment, quote: Quote, trace_id: str) -> Cycle:
        reason = "" if moment.votes is None else moment.votes.aggregate.reason(0)
        planned, why = None, "already_exiting"
        if not self.execution.standings.leaving(symbol):
            sale = self.trader.signal_sell(symbol, quote, reason, trace_id, self.execution.clock.now_ms())
            planned = None if sale is None else await self.execution.attempts.renewed(sale)
            if sale is None:
                why = "dust"
                await self.execution.settlement.write_dust(trace_id)
        if planned is None:
            return await self._hold(symbol, moment, why, trace_id)
        cycle = self.records.cycle(symbol, moment, None, ("sell", reason), planned, trace_id)
        if not await self.execution.plan([planned], cycle=cycle, **self.records.account()):
            return attrs.evolve(cycle, action="hold", reason="already_exiting", order_key=None)
        await self._observe(symbol)
        with self.phases("execute", symbol):
            await self.execution.execute_trade(planned)
        return cycle

    def _ruling(self, symbol: str, moment: Moment, quote: Quote, now_ms: int) -> Ruling:
        regime = self.regime_at(now_ms)
        if regime is None:
            return Ruling("regime_stale", None, delayed=True)
        if symbol in self.config.leaving:
            return Ruling("not_in_symbols", regime)
        if (held := self.supervisor.no_entry(symbol)) is not None:
            return Ruling(held, regime)
        blocked = self.execution.no_entry(symbol) or self.no_entry(symbol)
        if blocked is not None:
            return Ruling(blocked, regime, delayed=True)
        closed_ms = moment.candle_ts_ms + TF_MS
        if now_ms > closed_ms + min(TF_MS + self.max_lag_ms, self.config.ttl_ms):
            return Ruling("stale_data", regime)
        spreads = tuple(self._spreads.get(symbol, ()))
        return self.trader.rule_on_buy(symbol, quote, regime, now_ms, spreads, self._entries_underway())

    def _entries_underway(self) -> int:
        """Return how many symbols without a position may get one by an order that has not ended."""
        flat = (symbol for symbol in self.config.symbols if symbol not in self.trader.book.positions)
        orders = (self.execution.open_intents(symbol) for symbol in flat)
        return sum(any(o.intent.purpose is Purpose.ENTRY for o in of_symbol) for of_symbol in orders)

    async def refresh_halts(self, now_ms: int) -> None:
        """Take over what ``cab risk reset`` released; only asked while something is halted."""
        if not self.trader.halts.active(now_ms):
            return
        self.trader.halts, reset_peak = await self.execution.storage.halts(now_ms)
        if reset_peak:
            self.trader.book.reset_peak()

    def _idle_reason(self, moment: Moment, action: int) -> str:
        if moment.votes is None:
            return "strategies_disabled"
        if action == Action.HOLD:
            return moment.votes.reason(0)
        return "already_long" if action == Action.BUY else "sell_no_position"

    async def _observe(self, symbol: str) -> None:
        """Keep one more spread of the symbol for the rules; a hold asks no venue for it."""
        quote = await self.prices.known(symbol)
        spread = None if quote is None else quote.spread_pct
        if spread is not None:
            self._spreads.setdefault(symbol, deque(maxlen=SPREADS)).append(float(spread))
