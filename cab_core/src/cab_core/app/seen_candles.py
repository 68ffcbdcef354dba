"""The newest candles a session has looked at, so that a chart asks no exchange."""

from __future__ import annotations

import attrs

from cab_core.domain.bars import Bars
from cab_core.domain.market import Quote
from cab_core.sdk import Market

TIMEFRAME = "15m"


@attrs.frozen(eq=False)
class SeenCandles:
    """A market that keeps the 15m candles it last gave, by symbol."""

    market: Market
    newest: dict[str, Bars] = attrs.field(factory=dict, init=False)

    async def candles(self, symbol: str, timeframe: str, limit: int) -> Bars:
        """Ask the market, and keep the answer."""
        found = await self.market.candles(symbol, timeframe, limit)
        if timeframe == TIMEFRAME:
            self.newest[symbol] = found
        return found

    async def quote(self, symbol: str) -> Quote:
        """Ask the market."""
        return await self.market.quote(symbol)
