"""A market that lists fewer candles than a decision looks back on decides otherwise than a backtest."""

from __future__ import annotations

import logging

import attrs

from cab_core.cycle.moment import LIMITS
from cab_core.domain.bars import Bars
from cab_core.domain.market import Quote
from cab_core.sdk import Market

log = logging.getLogger("cab.live")


@attrs.frozen(eq=False)
class TellsShortHistory:
    """A market that says once, by symbol and timeframe, that it lists fewer candles than were asked for."""

    market: Market
    told: set[tuple[str, str]] = attrs.field(factory=set, init=False)

    async def candles(self, symbol: str, timeframe: str, limit: int) -> Bars:
        """Ask the market, and look at how much it gave."""
        found = await self.market.candles(symbol, timeframe, limit)
        if len(found) < limit and (symbol, timeframe) not in self.told:
            self.told.add((symbol, timeframe))
            log.warning("%s", short_text(symbol, timeframe, len(found), limit))
        return found

    async def quote(self, symbol: str) -> Quote:
        """Ask the market."""
        return await self.market.quote(symbol)


async def short_windows(market: Market, symbol: str) -> list[str]:
    """Ask for all that a decision looks back on and say what is not there.

    Raises:
        CabError: the market does not answer.
    """
    return [
        short_text(symbol, timeframe, len(found), limit)
        for timeframe, limit in LIMITS.items()
        if len(found := await market.candles(symbol, timeframe, limit)) < limit
    ]


def short_text(symbol: str, timeframe: str, listed: int, limit: int) -> str:
    """Say what is missing and what follows."""
    return (
        f"{symbol}: the exchange lists {listed:,} of the {limit:,} candles of {timeframe} that a decision "
        "looks back on; a backtest on a longer history may decide otherwise"
    )
