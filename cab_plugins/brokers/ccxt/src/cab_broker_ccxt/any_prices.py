"""The generic dialect: prices and candles of any venue of ccxt, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NoReturn

import attrs

from cab_broker_ccxt.amounts import maybe
from cab_broker_ccxt.any_rows import instrument_of, quote_of
from cab_broker_ccxt.api import Api
from cab_broker_ccxt.candle_rows import TIMEFRAMES_MS, Row, past_rows
from cab_broker_ccxt.candles import Candles
from cab_broker_ccxt.errors import VenueError
from cab_broker_ccxt.rules import RELOAD_S
from cab_core.sdk import (
    Account,
    Balance,
    Bars,
    BrokerCaps,
    CabError,
    Fill,
    Instrument,
    Intent,
    Outcome,
    Quote,
    Rejected,
    Resolution,
    VenueOrder,
)


class AnyPrices:
    """The market of a venue, for paper trading.

    It takes no orders: what the venues of ccxt share is not enough to find out what became of one. Their
    methods send no expiry, hide a venue's own refusals and carry client ids that some venues cut or ignore.
    """

    def __init__(self, account: Account, api: Api, client: Any) -> None:
        self._symbols = tuple(account.symbols)
        self._api = api
        self._client = client
        self._rules: dict[str, Instrument] = {}
        self._loaded_at_s = 0.0
        features = (client.features or {}).get("spot") or {}
        self._candle_limit = int((features.get("fetchOHLCV") or {}).get("limit") or 300)
        self._candles = Candles(api, self._candle_page, self._candle_limit)

    def caps(self) -> BrokerCaps:
        """Return what can be relied on."""
        return BrokerCaps(client_id_lookup="none", candle_limit=self._candle_limit)

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

    async def server_time_ms(self) -> int:
        """Return the venue's clock, measured now."""
        await self._api.measure()
        return self._api.server.now_ms()

    async def candles(self, symbol: str, timeframe: str, limit: int) -> Bars:
        """Return the newest ``limit`` closed candles, oldest first; fewer where the venue lists fewer."""
        return await self._candles.newest(symbol, timeframe, limit)

    async def quote(self, symbol: str) -> Quote:
        """Return the best prices of the order book; without a bid, the last traded price as well."""
        await self.instruments()
        await self._api.sync()
        book = await self._api.row("fetch_order_book", {"symbol": symbol, "limit": 20}, urgent=True)
        quote = quote_of(book, self._api.clock.now_ms())
        return quote if quote.bid is not None else attrs.evolve(quote, last=await self._last(symbol))

    async def _last(self, symbol: str) -> Decimal | None:
        """Return the last traded price, None if the venue does not tell."""
        try:
            return maybe((await self._api.row("fetch_ticker", {"symbol": symbol}, urgent=True)).get("last"))
        except VenueError:
            return None

    async def submit(self, intent: Intent) -> Outcome:
        """Refuse the order."""
        return Rejected("prices_only", f"{self._no_account()}; {intent.client_id} was not sent")

    async def resolve(self, intent: Intent) -> Resolution:
        """Raise `CabError`: there is no account."""
        self._refuse(intent)

    async def cancel(self, intent: Intent) -> Outcome:
        """Raise `CabError`: there is no account."""
        self._refuse(intent)

    async def balances(self) -> Mapping[str, Balance]:
        """Raise `CabError`: there is no account."""
        self._refuse()

    async def orders(self, symbol: str, since_ms: int) -> Sequence[VenueOrder]:
        """Raise `CabError`: there is no account."""
        self._refuse(symbol, since_ms)

    async def fills_of(self, intent: Intent) -> Sequence[Fill]:
        """Raise `CabError`: there is no account."""
        self._refuse(intent)

    async def fills_since(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        """Raise `CabError`: there is no account."""
        self._refuse(symbol, since_ms)

    async def close(self) -> None:
        """Release connections."""
        await self._api.client.close()

    def _no_account(self) -> CabError:
        return CabError(
            "prices alone are served here, no account",
            where=self._api.where,
            fix="an account needs a dialect of its own: EXCHANGE=gateio",
        )

    def _refuse(self, *_: object) -> NoReturn:
        raise self._no_account()

    async def _candle_page(self, symbol: str, timeframe: str, first_ms: int, end_ms: int) -> list[Row]:
        await self.instruments()
        length_ms = TIMEFRAMES_MS[timeframe]
        count = (end_ms - first_ms) // length_ms + 1
        params = {"symbol": symbol, "timeframe": timeframe, "since": first_ms, "limit": count}
        answer = await self._api.rows("fetch_ohlcv", params)
        rows = [(int(raw[0]), *(float(field) for field in raw[1:6])) for raw in answer]
        return past_rows(rows, length_ms, self._api.server.now_ms())  # type: ignore[arg-type]  # six fields
