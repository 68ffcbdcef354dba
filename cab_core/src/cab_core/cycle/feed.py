"""When a shell has to look: walks of the price for exits, closed candles for decisions.

A recorded feed is exact on a virtual clock; a quoted feed polls a venue on the real one. What happens at a
look is the same for both.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from typing import Protocol, TypeAlias

import attrs

from cab_core.clock import Clock
from cab_core.contracts import Market
from cab_core.cycle.market import RecordedMarket
from cab_core.domain.market import Candle
from cab_core.domain.sanity import BidFilter
from cab_core.domain.timeframes import TF_MS, floor_ms
from cab_core.errors import CabError

log = logging.getLogger("cab.feed")

#: What protective exits are judged along: a whole candle of bids, or one observed bid; None where no bid can
#: be believed now.
Move: TypeAlias = Candle | Decimal | None


class Feed(Protocol):
    """Drives the loops of an orchestrator. Iterators end where the market ends."""

    @property
    def market(self) -> Market:
        """Where prices and candles come from."""

    def moves(self, symbol: str, order: int) -> AsyncIterator[Move]:
        """Yield each move of the price that exits must be judged along; ``order`` breaks ties in time."""

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

    async def moves(self, symbol: str, order: int) -> AsyncIterator[Move]:
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
    """Polls a venue's quotes and candles.

    Attributes:
        exits_ms: time between looks at the quote for protective exits.
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

    async def moves(self, symbol: str, order: int) -> AsyncIterator[Move]:
        """Yield the bid at every look; None if there is none that can be believed."""
        bids = BidFilter()
        while True:
            await self.clock.sleep_until(self.clock.now_ms() + self.exits_ms, order)
            try:
                quote = await self.market.quote(symbol)
            except CabError as error:
                log.warning("no price of %s: %s", symbol, error)
                yield None
            else:
                yield bids.take(quote, self.clock.now_ms())

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
