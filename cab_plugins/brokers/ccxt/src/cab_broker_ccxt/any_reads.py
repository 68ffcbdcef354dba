"""Reading at any venue of ccxt: markets, prices, own orders and trades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cab_broker_ccxt.any_rows import Row, fill_of, instrument_of, quote_of, venue_order
from cab_broker_ccxt.api import Api, objects
from cab_broker_ccxt.candle_rows import TIMEFRAMES_MS, past_rows
from cab_broker_ccxt.candle_rows import Row as CandleRow
from cab_broker_ccxt.candles import Candles
from cab_broker_ccxt.errors import VenueError
from cab_broker_ccxt.rules import RELOAD_S
from cab_core.sdk import Account, Fill, Instrument, Quote, VenueOrder

#: Spans of own trades that are halved while an answer is as long as the venue gives.
SPAN_MS, SHORTEST_MS = 7 * 86_400_000, 1_000
PAGE = 100


class AnyReads:
    """Questions that change nothing."""

    def __init__(self, account: Account, api: Api, client: Any) -> None:
        self._symbols = tuple(account.symbols)
        self._api = api
        self._client = client
        self._rules: dict[str, Instrument] = {}
        self._loaded_at_s = 0.0
        features = (client.features or {}).get("spot") or {}
        self.candle_limit = int((features.get("fetchOHLCV") or {}).get("limit") or 300)
        self.candles = Candles(api, self._candle_page, self.candle_limit)

    async def instruments(self) -> Mapping[str, Instrument]:
        """Return the rules of all configured symbols, at most four hours old."""
        now_s = self._api.clock.monotonic()
        if not self._rules or now_s - self._loaded_at_s >= RELOAD_S:
            # The helper and not `load_markets`, which runs it in a task of its own.
            markets = await self._api.row("load_markets_helper", {"reload": True})
            missing = [symbol for symbol in self._symbols if symbol not in markets]
            if missing:
                raise VenueError(f"{', '.join(missing)} is not traded here", where=self._api.where)
            mode = self._client.precisionMode
            self._rules = {symbol: instrument_of(symbol, markets[symbol], mode) for symbol in self._symbols}
            self._loaded_at_s = now_s
        return dict(self._rules)

    async def quote(self, symbol: str) -> Quote:
        """Return the best prices of the order book."""
        await self.instruments()
        await self._api.sync()
        book = await self._api.row("fetch_order_book", {"symbol": symbol, "limit": 20})
        return quote_of(book, self._api.clock.now_ms())

    async def orders(self, symbol: str, since_ms: int) -> Sequence[VenueOrder]:
        """Return open orders and those that ended since ``since_ms``."""
        rows = {
            str(row["id"]): row for row in [*await self._opened(symbol), *await self._ended(symbol, since_ms)]
        }
        return [venue_order(row, symbol, str(row.get("clientOrderId") or "")) for row in rows.values()]

    async def listed(self, symbol: str, since_ms: int, order_id: str | None, text: str) -> Row | None:
        """Return the order of an id or a client id from the listings, None if they do not have it."""
        for rows in (await self._opened(symbol), await self._ended(symbol, since_ms)):
            for row in rows:
                if row.get("clientOrderId") == text or (order_id is not None and str(row["id"]) == order_id):
                    return row
        return None

    async def fills(self, symbol: str, since_ms: int, owners: Mapping[str, str]) -> Sequence[Fill]:
        """Return own trades since ``since_ms``, oldest first, each once, by the owners of their orders."""
        await self.instruments()
        await self._api.sync()
        until_ms = self._api.server.now_ms() + 1_000
        first_ms = max(since_ms, until_ms - 365 * 86_400_000)
        found: dict[str, Row] = {}
        for start_ms in range(first_ms, until_ms, SPAN_MS):
            for row in await self._trades(symbol, start_ms, min(start_ms + SPAN_MS, until_ms)):
                found[str(row["id"])] = row
        fills = [fill_of(row, symbol, owners.get(str(row.get("order")), "")) for row in found.values()]
        return sorted(
            (f for f in fills if f.ts_ms >= since_ms), key=lambda f: (f.ts_ms, len(f.trade_id), f.trade_id)
        )

    async def _trades(self, symbol: str, start_ms: int, end_ms: int) -> list[dict[str, Any]]:
        """List a span of own trades; an answer that is full may lack some, so its halves are asked for."""
        params = {"symbol": symbol, "since": start_ms, "limit": PAGE, "params": {"until": end_ms}}
        rows = objects(await self._api.rows("fetch_my_trades", params))
        if len(rows) < PAGE or end_ms - start_ms <= SHORTEST_MS:
            return rows
        middle_ms = (start_ms + end_ms) // 2
        return [
            *await self._trades(symbol, start_ms, middle_ms),
            *await self._trades(symbol, middle_ms, end_ms),
        ]

    async def _opened(self, symbol: str) -> list[dict[str, Any]]:
        await self.instruments()
        return objects(await self._api.rows("fetch_open_orders", {"symbol": symbol}))

    async def _ended(self, symbol: str, since_ms: int) -> list[dict[str, Any]]:
        params = {"symbol": symbol, "since": since_ms, "limit": PAGE}
        return objects(await self._api.rows("fetch_closed_orders", params))

    async def _candle_page(self, symbol: str, timeframe: str, first_ms: int, end_ms: int) -> list[CandleRow]:
        await self.instruments()
        length_ms = TIMEFRAMES_MS[timeframe]
        count = (end_ms - first_ms) // length_ms + 1
        params = {"symbol": symbol, "timeframe": timeframe, "since": first_ms, "limit": count}
        answer = await self._api.rows("fetch_ohlcv", params)
        rows = [(int(raw[0]), *(float(field) for field in raw[1:6])) for raw in answer]
        return past_rows(rows, length_ms, self._api.server.now_ms())  # type: ignore[arg-type]  # six fields
