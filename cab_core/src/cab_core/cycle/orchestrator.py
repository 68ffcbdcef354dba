"""The orchestrator: per-symbol loops over one account, for paper and live.

It fetches, journals, sends and feeds results back; every decision is the trader's. Loops of one account take
turns on a lock, so a decision always sees a settled book.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from time import perf_counter
from typing import Any

import attrs

from cab_core.clock import Clock, TurnLock
from cab_core.cycle.announce import Announcer
from cab_core.cycle.config import CycleConfig
from cab_core.cycle.execute_trade import Execution
from cab_core.cycle.feed import Feed, Move
from cab_core.cycle.moment import Moment, MomentReader
from cab_core.cycle.phases import Phases
from cab_core.cycle.protect import Protector
from cab_core.cycle.records import Executed
from cab_core.cycle.supervise import Loop, State, Supervisor
from cab_core.cycle.trace import TraceHead, trace_of
from cab_core.cycle.trader import Planned, Ruling, Trader
from cab_core.domain.book_state import account_state
from cab_core.domain.booking import AppliedTo
from cab_core.domain.market import Candle, Quote
from cab_core.domain.money import to_decimal
from cab_core.domain.orders import Purpose
from cab_core.domain.regime import RegimeState
from cab_core.domain.signals import Action
from cab_core.domain.timeframes import TF_MS
from cab_core.errors import CabError, LockedError, StorageError
from cab_core.ports import Changes, Cycle, Ids, Storage

log = logging.getLogger("cab.cycle")

#: Spread observations kept per symbol.
SPREADS = 100


def _ignore(_: Cycle) -> None:
    return None


@attrs.define(eq=False)
class Orchestrator:
    """Runs all symbols of one account until its feed ends or it is stopped.

    Attributes:
        config: the pure settings.
        trader: decides and books.
        execution: the only way to the broker's order methods.
        readers: evaluates the newest candle of each symbol.
        feed: says when to look.
        regime_at: the regime at a time; None while it is unknown or too old, which stops entries.
        versions: (name, version) of each strategy in set order, for traces.
        max_lag_ms: how late the newest candle may be before entries are blocked.
        on_cycle: told every evaluated candle.
        background: further loops to run as long as those of the symbols.
        protector: keeps stops at the exchange; None where it cannot hold any.
        no_entry: what else forbids an entry of a symbol now, None if nothing does.
        beat: called after each completed look at a symbol's exits.
        phases: told how long signals, risk, execution and supervision take.
        lock: held by whoever changes the account; loops take turns on it.
        begin: the state a symbol begins in, where that is not running.
    """

    config: CycleConfig
    trader: Trader
    execution: Execution
    readers: Mapping[str, MomentReader]
    feed: Feed
    storage: Storage
    clock: Clock
    ids: Ids
    announcer: Announcer
    supervisor: Supervisor
    regime_at: Callable[[int], RegimeState | None]
    versions: Sequence[tuple[str, str]] = ()
    max_lag_ms: int = 120_000
    on_cycle: Callable[[Cycle], None] = _ignore
    background: tuple[Loop, ...] = ()
    protector: Protector | None = None
    no_entry: Callable[[str], str | None] = lambda _: None
    beat: Callable[[], None] = lambda: None
    phases: Phases = attrs.field(factory=Phases)
    lock: TurnLock = attrs.field(default=attrs.Factory(lambda self: TurnLock(self.clock), takes_self=True))
    begin: Mapping[str, State] = attrs.field(factory=dict)
    _spreads: dict[str, deque[float]] = attrs.field(factory=dict, init=False)
    _trace_ids: dict[tuple[str, int], str] = attrs.field(factory=dict, init=False)

    async def run(self) -> None:
        """Run the loops of every symbol that is not stopped; return when all of them have ended."""
        loops = [Loop("account", "equity", self._watch_equity), *self.background]
        for order, symbol in enumerate(self.config.symbols):
            loops.append(Loop(symbol, "exits", partial(self._supervise_exits, symbol, order)))
            loops.append(Loop(symbol, "cycle", partial(self._evaluate_candles, symbol, order)))
            self.supervisor.begin(symbol, self.begin.get(symbol, State.RUNNING))
        await self.supervisor.run(loops)

    async def stop(self, reason: str, symbol: str | None = None) -> None:
        """Stop the loops of a symbol, or all, between two decisions: nothing is left half done.

        To be called from outside of the loops.
        """
        async with self.lock.from_outside():
            if symbol is None:
                self.supervisor.stop(reason)
            else:
                self.supervisor.set_state(symbol, State.STOPPED, reason)

    # The loops.

    async def _watch_equity(self) -> None:
        async for _ in self.feed.snapshots():
            async with self.lock:
                equity = self.trader.book.snapshot()
            self.announcer.equity(equity)

    async def _supervise_exits(self, symbol: str, order: int) -> None:
        async for move in self.feed.moves(symbol, order):
            async with self.lock:
                with self.phases("supervise", symbol):
                    await self.supervise(symbol, move)

    async def _evaluate_candles(self, symbol: str, order: int) -> None:
        async for candle_ts_ms in self.feed.closes(symbol, order):
            await self.evaluate(symbol, candle_ts_ms, order)

    # Exits.

    async def supervise(self, symbol: str, move: Move) -> None:
        """Look after open orders, judge exits along one move of the price, protect what is left.

        Nothing that stops entries stops this.
        """
        await self.execution.tend(symbol)
        if move is not None:
            await self._walk(symbol, move)
        if self.protector is not None:
            await self.protector.tend(symbol)
        self.beat()

    async def _walk(self, symbol: str, move: Candle | Decimal) -> None:
        book, now_ms = self.trader.book, self.clock.now_ms()
        walked = {f"walked:{symbol}": str(now_ms + 1)} if isinstance(move, Candle) else {}
        before = book.positions[symbol].protection if symbol in book.positions else None
        trace_id = self._trace_id(symbol, (now_ms + 1) // TF_MS * TF_MS - TF_MS)
        sales = self.trader.walk(symbol, move, trace_id, now_ms)
        if sales:
            await self._sold(symbol, await self.execution.sell(sales, values=walked))
        elif symbol in book.positions and book.positions[symbol].protection is not before:
            await self.storage.commit(
                Changes(ts_ms=now_ms, trace_id=trace_id, values=walked, **self.execution.booked(symbol))
            )
            self.announcer.protection(symbol, book.positions[symbol], trace_id)
        last = move.close if isinstance(move, Candle) else move
        self.feed.stand_at(symbol, last)
        book.mark(symbol, last)

    async def _sold(self, symbol: str, done: Sequence[Executed]) -> None:
        """Close a position whose whole rest the venue refuses to sell; it stays in the ledger as dust."""
        now_ms = self.clock.now_ms()
        small = [each.left for each in done if each.refused == "below_min_notional"]
        if small and self.trader.leave_refused(symbol, small[-1], now_ms):
            await self.storage.commit(Changes(ts_ms=now_ms, **self.execution.booked(symbol)))

    # Decisions.

    async def evaluate(self, symbol: str, candle_ts_ms: int, order: int = 0) -> None:
        """Evaluate one closed candle; a delayed entry is tried again while its signal lives."""
        began, due_ms = perf_counter(), self.clock.now_ms()
        ends_ms = candle_ts_ms + TF_MS + self.config.ttl_ms
        while True:
            last_try = due_ms + self.config.retry_ms >= ends_ms
            async with self.lock:
                cycle = await self._decide_or_wait(symbol, candle_ts_ms, last_try=last_try)
            if cycle is not None:
                self.on_cycle(cycle)
                self.announcer.cycle(cycle, 1000 * (perf_counter() - began))
                return
            due_ms += self.config.retry_ms
            await self.clock.sleep_until(due_ms, order)

    async def _decide_or_wait(self, symbol: str, candle_ts_ms: int, *, last_try: bool) -> Cycle | None:
        """Decide; a venue that does not answer is asked again while the signal lives."""
        try:
            return await self._decide(symbol, candle_ts_ms, last_try=last_try)
        except (StorageError, LockedError):
            raise
        except CabError as error:
            log.warning("no decision on %s: %s", symbol, error)
            return await self._missed(symbol, candle_ts_ms) if last_try else None

    async def _decide(self, symbol: str, candle_ts_ms: int, *, last_try: bool) -> Cycle | None:
        """Take one candle through all stages. Returns None if the entry is delayed and may be tried again."""
        now_ms = self.clock.now_ms()
        with self.phases("signals", symbol):
            moment = await self.readers[symbol].read(now_ms)
        if moment is None or moment.candle_ts_ms != candle_ts_ms:
            return None if not last_try else await self._missed(symbol, candle_ts_ms)
        quote = await self._mark(symbol)
        trace_id = self._trace_id(symbol, candle_ts_ms)
        action = Action.HOLD if moment.votes is None else int(moment.votes.aggregate.action[0])
        long = symbol in self.trader.book.positions
        if action == Action.SELL and long:
            return await self._signal_sell(symbol, moment, quote, trace_id)
        if action == Action.BUY and not long:
            return await self._buy(symbol, moment, quote, trace_id, last_try=last_try)
        reason = self._idle_reason(moment, action)
        cycle = self._cycle(symbol, moment, None, ("hold", reason), None, trace_id)
        await self._record(cycle, quote)
        return cycle

    async def _buy(
        self, symbol: str, moment: Moment, quote: Quote, trace_id: str, *, last_try: bool
    ) -> Cycle | None:
        now_ms = self.clock.now_ms()
        await self.refresh_halts(now_ms)
        for held in self.trader.book.positions:
            await self.readers[held].refresh(now_ms)
        with self.phases("risk", symbol):
            ruling = self._ruling(symbol, moment, quote, now_ms)
        self.announcer.near_limits(ruling, now_ms, trace_id)
        if ruling.reason is not None and ruling.delayed and not last_try:
            return None
        if ruling.reason is not None:
            cycle = self._cycle(symbol, moment, ruling, ("hold", ruling.reason), None, trace_id)
            await self._record(cycle, quote, ruling)
            self.announcer.blocked(symbol, ruling, trace_id)
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
        cycle = self._cycle(symbol, moment, ruling, ("buy", why.reason), planned, trace_id)
        if not await self.execution.plan([planned], cycle=cycle, **self._account()):
            return attrs.evolve(cycle, action="hold", reason="duplicate", order_key=None)
        self._observe(symbol, quote)
        with self.phases("execute", symbol):
            done = await self.execution.execute_trade(planned)
        if self.protector is not None:
            await self.protector.tend(symbol)
        if done.refused is None:
            return cycle
        refused = attrs.evolve(cycle, action="hold", reason=done.refused)
        await self.storage.commit(Changes(ts_ms=now_ms, trace_id=trace_id, revised=refused))
        return refused

    async def _signal_sell(self, symbol: str, moment: Moment, quote: Quote, trace_id: str) -> Cycle:
        reason = "" if moment.votes is None else moment.votes.aggregate.reason(0)
        planned = self.trader.signal_sell(symbol, quote, reason, trace_id, self.clock.now_ms())
        if planned is None:
            cycle = self._cycle(symbol, moment, None, ("hold", "dust"), None, trace_id)
            await self._record(cycle, quote, booked=symbol)
            return cycle
        cycle = self._cycle(symbol, moment, None, ("sell", reason), planned, trace_id)
        if not await self.execution.plan([planned], cycle=cycle, **self._account()):
            return attrs.evolve(cycle, action="hold", reason="already_exiting", order_key=None)
        self._observe(symbol, quote)
        with self.phases("execute", symbol):
            done = await self.execution.execute_trade(planned)
        await self._sold(symbol, [done])
        return cycle

    def _ruling(self, symbol: str, moment: Moment, quote: Quote, now_ms: int) -> Ruling:
        regime = self.regime_at(now_ms)
        if regime is None:
            return Ruling("regime_stale", None, delayed=True)
        if (held := self.supervisor.no_entry(symbol)) is not None:
            return Ruling(held, regime)
        blocked = self.execution.no_entry(symbol) or self.no_entry(symbol)
        if blocked is not None:
            return Ruling(blocked, regime, delayed=True)
        closed_ms = moment.candle_ts_ms + TF_MS
        if now_ms > closed_ms + min(TF_MS + self.max_lag_ms, self.config.ttl_ms):
            return Ruling("stale_data", regime)
        spreads = tuple(self._spreads.get(symbol, ()))
        return self.trader.rule_on_buy(symbol, quote, regime, now_ms, spreads)

    async def refresh_halts(self, now_ms: int) -> None:
        """Take over what ``cab risk reset`` released; only asked while something is halted."""
        if not self.trader.halts.active(now_ms):
            return
        self.trader.halts, reset_peak = await self.storage.halts(now_ms)
        if reset_peak:
            self.trader.book.reset_peak()

    async def _mark(self, symbol: str) -> Quote:
        """Mark everything held at its present bid and return the quote of ``symbol``."""
        quote = await self.feed.market.quote(symbol)
        for held in [*self.trader.book.positions]:
            bid = (quote if held == symbol else await self.feed.market.quote(held)).bid
            if bid is not None:
                self.trader.book.mark(held, bid)
        return quote

    def _idle_reason(self, moment: Moment, action: int) -> str:
        if moment.votes is None:
            return "strategies_disabled"
        if action == Action.HOLD:
            return moment.votes.reason(0)
        return "already_long" if action == Action.BUY else "sell_no_position"

    async def _missed(self, symbol: str, candle_ts_ms: int) -> Cycle:
        """Record a candle that never came."""
        cycle = Cycle(
            trace_id=self._trace_id(symbol, candle_ts_ms),
            symbol=symbol,
            candle_ts_ms=candle_ts_ms,
            close=None,
            action="hold",
            reason="stale_data",
            order_key=None,
            trace={},
        )
        await self.storage.commit(Changes(ts_ms=self.clock.now_ms(), trace_id=cycle.trace_id, cycle=cycle))
        return cycle

    async def _record(
        self, cycle: Cycle, quote: Quote, ruling: Ruling | None = None, booked: str | None = None
    ) -> None:
        """Write a cycle without an order, with the halts it tripped and the equity's peak."""
        trips = () if ruling is None or ruling.assessment is None else ruling.assessment.trips
        self._observe(cycle.symbol, quote)
        await self.storage.commit(
            Changes(
                ts_ms=self.clock.now_ms(),
                trace_id=cycle.trace_id,
                cycle=cycle,
                halts=trips,
                equity=self.announcer.take_equity(),
                **self.execution.booked(booked or cycle.symbol),
            )
        )

    def _account(self) -> dict[str, Any]:
        """Return the account to write along with a cycle, so that no peak of the equity is lost."""
        return {"account": account_state(self.trader.book), "equity": self.announcer.take_equity()}

    def _observe(self, symbol: str, quote: Quote) -> None:
        spread = quote.spread_pct
        if spread is not None:
            self._spreads.setdefault(symbol, deque(maxlen=SPREADS)).append(float(spread))

    def _cycle(
        self,
        symbol: str,
        moment: Moment,
        ruling: Ruling | None,
        final: tuple[str, str],
        planned: Planned | None,
        trace_id: str,
    ) -> Cycle:
        head = TraceHead(
            trace_id=trace_id,
            symbol=symbol,
            candle_ts_ms=moment.candle_ts_ms,
            close=moment.close,
            versions=self.versions,
        )
        order = None if planned is None else planned.intent.client_id
        trace = trace_of(head, moment.votes, 0, moment.trend, 0, moment.volume_ratio, ruling, final, order)
        close: Decimal = to_decimal(moment.close)
        return Cycle(
            trace_id=trace_id,
            symbol=symbol,
            candle_ts_ms=moment.candle_ts_ms,
            close=close,
            action=final[0],
            reason=final[1],
            order_key=None if planned is None else planned.intent.key,
            trace=trace,
        )

    def _trace_id(self, symbol: str, candle_ts_ms: int) -> str:
        """Return the trace id of a candle's cycle: its walk and its evaluation share one."""
        key = (symbol, candle_ts_ms)
        if key not in self._trace_ids:
            self._trace_ids = {k: v for k, v in self._trace_ids.items() if k[0] != symbol}
            self._trace_ids[key] = self.ids.trace_id()
        return self._trace_ids[key]
