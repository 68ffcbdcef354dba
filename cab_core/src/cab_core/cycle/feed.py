"""When a shell has to look: walks of the price for exits, closed candles for decisions.

A recorded feed is exact on a virtual clock; a quoted feed polls a venue on the real one. What happens at a
look is the same for both.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from typing import Protocol, TypeAlias

import attrs

from cab_core.clock import Clock
from cab_core.contracts import Market
from cab_core.cycle.market import RecordedMarket
from cab_core.domain.belief import Price
from cab_core.domain.market import Candle
from cab_core.domain.timeframes import TF_MS, floor_ms

#: What protective exits are judged along: a whole candle of bids, or one observed price; None where there is
#: nothing to judge them by.
Move: TypeAlias = Candle | Price | None


class Feed(Protocol):
    """Drives the loops of an orchestrator. Iterators end where the market ends."""

    @property
    def market(self) -> Market:
        """Where prices and candles come from."""

    def looks(self, symbol: str, order: int) -> AsyncIterator[Candle | None]:
        """Yield each candle that exits must be judged along, or None where the price is to be looked at.

        ``order`` breaks ties in time.
        """

    def closes(self, symbol: str, order: int) -> AsyncIterator[int]:
        """Yield the open time of each candle that is due for evaluation."""

    def snapshots(self) -> AsyncIterator[None]:
        """Return whenever the equity is due for a snapshot."""

    def stand_at(self, symbol: str, bid: Decimal) -> None:
        """Let the market stand at a level a walk has come to; nothing to do where prices are observed."""


@attrs.define(eq=False)
class RecordedFeed:
    """Looks at recorded candles one after the other.

    Attributes:
        walked_ms: per symbol, close time of the last candle that was walked before this start.
        evaluated_ms: per symbol, open time of the last candle that was evaluated before this start.
        grace_ms: how long after its close a candle is evaluated.
    """

    market: RecordedMarket
    clock: Clock
    grace_ms: int
    walked_ms: Mapping[str, int] = attrs.field(factory=dict)
    evaluated_ms: Mapping[str, int] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        for symbol in self.market.symbols:
            evaluated = self.evaluated_ms.get(symbol, -TF_MS) + TF_MS
            self.market.start_at(symbol, max(self.walked_ms.get(symbol, 0), evaluated))

    def start_ms(self) -> int:
        """Return when the clock must start so that no look is missed."""
        firsts = [self.market.first_close_ms(s, self.evaluated_ms.get(s, -1)) for s in self.market.symbols]
        return min((ms for ms in firsts if ms is not None), default=0) - 1

    async def looks(self, symbol: str, order: int) -> AsyncIterator[Candle | None]:
        """Yield each candle's walk one millisecond before its close."""
        while (close_ms := self.market.next_walk_ms(symbol)) is not None:
            await self.clock.sleep_until(close_ms - 1, order)
            for candle in self.market.due(symbol):
                yield candle

    async def closes(self, symbol: str, order: int) -> AsyncIterator[int]:
        """Yield each candle a grace period after its close."""
        for ts_ms in self.market.open_times(symbol, self.evaluated_ms.get(symbol, -1)):
            await self.clock.sleep_until(ts_ms + TF_MS + self.grace_ms, order)
            yield ts_ms

    async def snapshots(self) -> AsyncIterator[None]:
        """Return at each close of any candle, before it is evaluated."""
        for ts_ms in self.market.all_open_times(max(self.evaluated_ms.values(), default=-1)):
            await self.clock.sleep_until(ts_ms + TF_MS, 0)
            yield

    def stand_at(self, symbol: str, bid: Decimal) -> None:
        """Move the market to the level."""
        self.market.move_to(symbol, bid)


@attrs.define(eq=False)
class QuotedFeed:
    """Says when to look at a venue's prices and candles.

    Attributes:
        exits_ms: time between looks at a symbol's orders and exits.
        poll_ms: time between looks for a newly closed candle.
        grace_ms: how long after its close a candle is evaluated at the earliest.
        snapshot_ms: time between snapshots of the equity.
    """

    market: Market
    clock: Clock
    grace_ms: int
    exits_ms: int = 5_000
    poll_ms: int = 15_000
    snapshot_ms: int = 60_000
    evaluated_ms: Mapping[str, int] = attrs.field(factory=dict)

    async def looks(self, symbol: str, order: int) -> AsyncIterator[Candle | None]:
        """Yield None at every interval."""
        del symbol  # all are looked at alike
        while True:
            await self.clock.sleep_until(self.clock.now_ms() + self.exits_ms, order)
            yield None

    async def closes(self, symbol: str, order: int) -> AsyncIterator[int]:
        """Yield each newly closed candle once."""
        last = self.evaluated_ms.get(symbol, -1)
        while True:
            newest = floor_ms(self.clock.now_ms() - self.grace_ms, TF_MS) - TF_MS
            if newest > last:
                last = newest
                yield newest
            following = floor_ms(self.clock.now_ms() - self.grace_ms, TF_MS) + TF_MS + self.grace_ms
            await self.clock.sleep_until(min(following, self.clock.now_ms() + self.poll_ms), order)

    async def snapshots(self) -> AsyncIterator[None]:
        """Return at every interval."""
        while True:
            await self.clock.sleep_until(self.clock.now_ms() + self.snapshot_ms, 0)
            yield

    def stand_at(self, symbol: str, bid: Decimal) -> None:
        """Nothing to do: prices are observed."""
