"""One look at a symbol: its open orders, its protective exits along a move of the price, its resting stop."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import attrs

from cab_core.cycle.cycle_records import CycleRecords
from cab_core.cycle.execute_trade import Execution
from cab_core.cycle.feed import Feed, Move
from cab_core.cycle.protect import Protector
from cab_core.domain.market import Candle
from cab_core.domain.timeframes import TF_MS
from cab_core.ports import Changes


@attrs.define(eq=False)
class ExitWatch:
    """Looks after what is open; the account's lock is held meanwhile.

    Attributes:
        protector: keeps stops at the exchange; None where it cannot hold any.
        beat: called after each completed look.
    """

    feed: Feed
    execution: Execution
    records: CycleRecords
    protector: Protector | None = None
    beat: Callable[[], None] = lambda: None

    async def look(self, symbol: str, move: Move) -> None:
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
        book, now_ms = self.execution.trader.book, self.execution.clock.now_ms()
        walked = {f"walked:{symbol}": str(now_ms + 1)} if isinstance(move, Candle) else {}
        before = book.positions[symbol].protection if symbol in book.positions else None
        trace_id = self.records.trace_id(symbol, (now_ms + 1) // TF_MS * TF_MS - TF_MS)
        sales = self.execution.trader.walk(symbol, move, trace_id, now_ms)
        if sales:
            await self.execution.sell(sales, values=walked)
        elif symbol in book.positions and book.positions[symbol].protection is not before:
            await self.execution.storage.commit(
                Changes(ts_ms=now_ms, trace_id=trace_id, values=walked, **self.execution.booked(symbol))
            )
            self.records.announcer.protection(symbol, book.positions[symbol], trace_id)
        last = move.close if isinstance(move, Candle) else move
        self.feed.stand_at(symbol, last)
        book.mark(symbol, last)
