"""One look at a symbol: its open orders, its protective exits along a move of the price, its resting stop."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import attrs

from cab_core.cycle.cycle_records import CycleRecords
from cab_core.cycle.execute_trade import Execution
from cab_core.cycle.feed import Feed, Move
from cab_core.cycle.protect import Protector
from cab_core.domain.belief import Price
from cab_core.domain.market import Candle
from cab_core.domain.orders import Purpose
from cab_core.domain.timeframes import TF_MS
from cab_core.errors import LockedError, StorageError
from cab_core.ports import Changes


@attrs.define(eq=False)
class ExitWatch:
    """Looks after what is open; the account's lock is held meanwhile.

    Attributes:
        late_ms: a held symbol that was not looked at to the end for longer is not watched.
        protector: keeps stops at the exchange; None where it cannot hold any.
        looked: called with the symbol after each completed look.
        looked_ms: when each symbol was last looked at to the end.
    """

    feed: Feed
    execution: Execution
    records: CycleRecords
    late_ms: int
    protector: Protector | None = None
    looked: Callable[[str], None] = lambda _: None
    looked_ms: dict[str, int] = attrs.field(factory=dict, init=False)

    def age_ms(self, symbol: str) -> int:
        """Return how long ago the symbol was looked at to the end; at first, since this was asked."""
        now_ms = self.execution.clock.now_ms()
        return now_ms - self.looked_ms.setdefault(symbol, now_ms)

    def watched(self, symbol: str) -> bool:
        """Say whether the bot itself guards what is held: it has levels, and they are looked at in time."""
        position = self.execution.trader.book.positions.get(symbol)
        guarded = position is not None and position.protection is not None
        return guarded and not self.late(symbol)

    def late(self, symbol: str) -> bool:
        """Say whether the symbol was not looked at to the end for longer than a position may wait."""
        return self.age_ms(symbol) > self.late_ms

    async def look(self, symbol: str, move: Move) -> None:
        """Look after open orders, judge exits along one move of the price, protect what is left.

        Nothing that stops entries stops this, and an order that cannot be looked after does not keep the
        price from being judged: its error is raised when all else is done. Orders that have waited are made
        where a candle opens.
        """
        if isinstance(move, Candle):
            self._stand_at(symbol, move.open)
        failed = await self._tended(symbol)
        if move is not None:
            await self._walk(symbol, move)
        await self.execution.drop_pointless(symbol)
        if self.protector is not None:
            await self.protector.tend(symbol)
        if failed is not None:
            raise failed
        self.looked_ms[symbol] = self.execution.clock.now_ms()
        self.looked(symbol)

    async def _tended(self, symbol: str) -> Exception | None:
        try:
            await self.execution.tend(symbol)
        except (StorageError, LockedError):
            raise
        except Exception as error:  # noqa: BLE001 - isolation: one order must not hold up a whole symbol
            return error
        return None

    async def _walk(self, symbol: str, move: Candle | Price) -> None:
        book, now_ms = self.execution.trader.book, self.execution.clock.now_ms()
        walked = {f"walked:{symbol}": str(now_ms + 1)} if isinstance(move, Candle) else {}
        before = book.positions[symbol].protection if symbol in book.positions else None
        trace_id = self.records.trace_id(symbol, (now_ms + 1) // TF_MS * TF_MS - TF_MS)
        along = move.value if isinstance(move, Price) else move
        sales = self.execution.trader.walk(symbol, along, trace_id, now_ms)
        if sales:
            done = await self.execution.sell(sales, values=walked)
            if done and sales[0].intent.purpose is Purpose.EMERGENCY:
                self._told_of(symbol, now_ms, trace_id)
        elif isinstance(move, Price) and self.execution.trader.is_due(symbol, move.value, now_ms):
            await self.execution.leave_small(symbol, trace_id)
        elif symbol in book.positions and book.positions[symbol].protection is not before:
            await self.execution.storage.commit(
                Changes(ts_ms=now_ms, trace_id=trace_id, values=walked, **self.execution.booked(symbol))
            )
            self.records.announcer.protection(symbol, book.positions[symbol], trace_id)
        if isinstance(move, Candle):
            self._stand_at(symbol, move.close)

    def _stand_at(self, symbol: str, bid: Decimal) -> None:
        self.feed.stand_at(symbol, bid)
        self.execution.trader.book.mark(symbol, bid)

    def _told_of(self, symbol: str, now_ms: int, trace_id: str) -> None:
        """Tell a person that a halt sells a position."""
        rules = ", ".join(halt.rule for halt in self.execution.trader.flattening(now_ms))
        text = f"{symbol}: the whole position is sold, because {rules} halted the account"
        self.records.announcer.alert(
            "critical", "emergency_flatten", text, trace_id, symbol=symbol, ts_ms=now_ms
        )
