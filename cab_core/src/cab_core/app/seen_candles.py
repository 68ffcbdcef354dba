"""The newest candles a session has looked at, so that a chart asks no exchange."""

from __future__ import annotations

import attrs

from cab_core.domain.bars import Bars
from cab_core.domain.market import Candle, Quote
from cab_core.domain.money import to_decimal
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

    def last(self, symbol: str) -> Candle | None:
        """Return the newest closed 15m candle that was read, None before the first."""
        bars = self.newest.get(symbol)
        if bars is None or not len(bars):
            return None
        prices = (to_decimal(column[-1]) for column in (bars.open, bars.high, bars.low, bars.close))
        return Candle(int(bars.ts_ms[-1]), *prices)
