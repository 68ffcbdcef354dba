"""The orchestrator: per-symbol loops over one account, for paper and live.

Loops of one account take turns on a lock, so a decision always sees a settled book.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter

import attrs

from cab_core.clock import Clock, TurnLock
from cab_core.cycle.announce import Announcer
from cab_core.cycle.config import CycleConfig
from cab_core.cycle.cycle_records import CycleRecords
from cab_core.cycle.decide import Decider
from cab_core.cycle.execute_trade import Execution
from cab_core.cycle.exit_watch import ExitWatch
from cab_core.cycle.feed import Feed, Move
from cab_core.cycle.prices import Prices
from cab_core.cycle.protect import Protector
from cab_core.cycle.supervise import Loop, State, Supervisor
from cab_core.cycle.trader import Trader
from cab_core.domain.belief import QUOTE_MAX_MS, Price
from cab_core.domain.timeframes import TF_MS
from cab_core.errors import CabError, LockedError, StorageError
from cab_core.ports import Cycle

log = logging.getLogger("cab.cycle")


def _ignore(_: Cycle) -> None:
    return None


@attrs.define(eq=False)
class Orchestrator:
    """Runs all symbols of one account until its feed ends or it is ended.

    Attributes:
        decider: takes a closed candle to a decision.
        exits: looks after open orders, exits and protection.
        feed: says when to look.
        on_cycle: told every evaluated candle.
        background: further loops to run as long as those of the symbols.
        lock: held by whoever changes the account; loops take turns on it.
        begin: the state a symbol begins in, where that is not running.
    """

    decider: Decider
    exits: ExitWatch
    feed: Feed
    clock: Clock
    supervisor: Supervisor
    on_cycle: Callable[[Cycle], None] = _ignore
    background: tuple[Loop, ...] = ()
    lock: TurnLock = attrs.field(default=attrs.Factory(lambda self: TurnLock(self.clock), takes_self=True))
    begin: Mapping[str, State] = attrs.field(factory=dict)

    @property
    def config(self) -> CycleConfig:
        """The pure settings."""
        return self.decider.config

    @property
    def trader(self) -> Trader:
        """Decides and books."""
        return self.execution.trader

    @property
    def prices(self) -> Prices:
        """Where every price comes from."""
        return self.decider.prices

    @property
    def execution(self) -> Execution:
        """The only way to the broker's order methods."""
        return self.exits.execution

    @property
    def protector(self) -> Protector | None:
        """Keeps stops at the exchange; None where it cannot hold any."""
        return self.exits.protector

    @property
    def records(self) -> CycleRecords:
        """Writes down what was decided."""
        return self.exits.records

    @property
    def announcer(self) -> Announcer:
        """Publishes what happens."""
        return self.records.announcer

    async def run(self) -> None:
        """Run the loops of every symbol, in whatever state it is; return when all of them have ended."""
        trace_id = self.records.ids.trace_id()
        loops = [Loop("account", "equity", self._watch_equity), *self.background]
        for order, symbol in enumerate(self.config.symbols):
            loops.append(Loop(symbol, "exits", partial(self._supervise_exits, symbol, order)))
            loops.append(Loop(symbol, "cycle", partial(self._evaluate_candles, symbol, order)))
            self.supervisor.begin(symbol, self.begin.get(symbol, State.RUNNING), trace_id)
        await self.supervisor.run(loops)

    async def end(self) -> None:
        """End the run between two decisions: nothing is left half done.

        To be called from outside of the loops.
        """
        async with self.lock.from_outside():
            self.supervisor.end()

    # The loops.

    async def _watch_equity(self) -> None:
        async for _ in self.feed.snapshots():
            async with self.lock:
                equity = self.trader.book.snapshot()
                judged = self.trader.judge_account(self.clock.now_ms())
                if judged is not None and judged.trips:
                    trace_id = self.records.ids.trace_id()
                    await self.records.halted(judged.trips, trace_id)
                    self.announcer.halted(judged, trace_id)
            self.announcer.equity(equity)

    async def _supervise_exits(self, symbol: str, order: int) -> None:
        async for candle in self.feed.looks(symbol, order):
            # A venue may take its time: not under the lock, unless that had to be waited for too long.
            move: Move = await self.prices.look(symbol) if candle is None else candle
            async with self.lock:
                if candle is not None:  # what else is held stands where its own candle has come to
                    await self.prices.mark()
                if isinstance(move, Price) and self.clock.now_ms() - move.ts_ms > QUOTE_MAX_MS:
                    move = await self.prices.look(symbol)
                with self.decider.phases("supervise", symbol):
                    await self.exits.look(symbol, move)

    async def _evaluate_candles(self, symbol: str, order: int) -> None:
        async for candle_ts_ms in self.feed.closes(symbol, order):
            await self.evaluate(symbol, candle_ts_ms, order)

    async def evaluate(self, symbol: str, candle_ts_ms: int, order: int = 0) -> None:
        """Evaluate one closed candle; a delayed entry is tried again while its signal lives."""
        began, due_ms = perf_counter(), self.clock.now_ms()
        ends_ms = candle_ts_ms + TF_MS + self.config.ttl_ms
        while True:
            last_try = due_ms + self.config.retry_ms >= ends_ms
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
            prepared = await self.decider.prepare(symbol, candle_ts_ms)
            async with self.lock:
                return await self.decider.decide(symbol, prepared, candle_ts_ms, last_try=last_try)
        except (StorageError, LockedError):
            raise
        except CabError as error:
            log.warning("no decision on %s: %s", symbol, error)
            if not last_try:
                return None
        async with self.lock:
            return await self.records.missed(symbol, candle_ts_ms)
