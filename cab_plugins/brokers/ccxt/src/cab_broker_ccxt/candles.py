"""Closed candles with a memory: a decision costs one small request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import TypeAlias

import attrs

from cab_broker_ccxt.api import Api
from cab_broker_ccxt.candle_rows import TIMEFRAMES_MS, Row, bars_of, closed_rows
from cab_broker_ccxt.errors import VenueError
from cab_broker_ccxt.rules import pair_of
from cab_core.sdk import Bars, CabError

#: Most candles of one request, and the most the venue looks back, with some left for time passing.
PAGE = 1000
HISTORY = 9_990


Fetch: TypeAlias = Callable[[str, str, int, int], Awaitable[list[Row]]]


@attrs.define(slots=True)
class _Series:
    """Cached candles; complete from ``start_ms`` on."""

    start_ms: int
    rows: list[Row]


class Candles:
    """Candles of all symbols and timeframes.

    Args:
        api: the road to the venue.
        fetch: asks for the closed candles of a symbol and timeframe that open between two times, both
            included; raises ValueError for what is no candle.
        page: most candles of one request.
    """

    def __init__(self, api: Api, fetch: Fetch, page: int = PAGE) -> None:
        self._api = api
        self._fetch = fetch
        self._page = page
        self._series: dict[tuple[str, str], _Series] = {}

    async def newest(self, symbol: str, timeframe: str, limit: int) -> Bars:
        """Return the newest ``limit`` closed candles, oldest first; fewer where the history is shorter.

        Raises:
            VenueError: the venue does not answer, or answers with what is no candle.
            CabError: the timeframe is not offered.
        """
        length_ms = TIMEFRAMES_MS.get(timeframe)
        if length_ms is None:
            raise CabError(
                f"no candles of {timeframe}", where=self._api.where, fix=f"use {', '.join(TIMEFRAMES_MS)}"
            )
        await self._api.sync()
        last_ms = self._api.server.now_ms() // length_ms * length_ms - length_ms
        start_ms = last_ms - (min(limit, HISTORY) - 1) * length_ms
        known = self._series.get((symbol, timeframe))
        if known is None or known.start_ms > start_ms or not known.rows:
            rows = await self._pages(symbol, timeframe, start_ms, last_ms)
        else:
            rows = await self._extended(symbol, timeframe, known, start_ms, last_ms)
        rows = [row for row in rows if row[0] >= start_ms]
        self._series[symbol, timeframe] = _Series(start_ms, rows)
        return bars_of(rows)

    async def _extended(
        self, symbol: str, timeframe: str, known: _Series, start_ms: int, last_ms: int
    ) -> list[Row]:
        """Fetch what is newer than the newest one, together with that one to see whether it was revised."""
        newest = known.rows[-1]
        if newest[0] >= last_ms:
            return known.rows
        fresh = await self._pages(symbol, timeframe, newest[0], last_ms)
        length_ms = TIMEFRAMES_MS[timeframe]
        steady = all(later[0] - row[0] == length_ms for row, later in pairwise(fresh))
        if fresh and fresh[0] == newest and steady:
            return known.rows + fresh[1:]
        return await self._pages(symbol, timeframe, start_ms, last_ms)

    async def _pages(self, symbol: str, timeframe: str, start_ms: int, last_ms: int) -> list[Row]:
        """Fetch the candles that open between the two times, both included, in aligned pages."""
        length_ms = TIMEFRAMES_MS[timeframe]
        rows: list[Row] = []
        for first_ms in range(start_ms, last_ms + 1, self._page * length_ms):
            end_ms = min(first_ms + (self._page - 1) * length_ms, last_ms)
            try:
                page = await self._fetch(symbol, timeframe, first_ms, end_ms)
            except ValueError as error:
                raise VenueError(f"{symbol} {timeframe}: {error}", where=self._api.where) from error
            rows += [row for row in page if first_ms <= row[0] <= end_ms]
        return rows


def gate_candles(api: Api) -> Candles:
    """Return the candles of Gate's own endpoint."""

    async def fetch(symbol: str, timeframe: str, first_ms: int, end_ms: int) -> list[Row]:
        span = {"from": first_ms // 1000, "to": end_ms // 1000}
        params = {"currency_pair": pair_of(symbol), "interval": timeframe, **span}
        answer = await api.rows("publicSpotGetCandlesticks", params)
        return closed_rows(answer, TIMEFRAMES_MS[timeframe], api.server.now_ms())

    return Candles(api, fetch)
