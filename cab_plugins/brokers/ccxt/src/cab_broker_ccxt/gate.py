"""The Gate dialect: the verbs of a broker on Gate's own endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cab_broker_ccxt.amounts import ZERO, number
from cab_broker_ccxt.api import Api, objects
from cab_broker_ccxt.book import quote_of
from cab_broker_ccxt.canceling import Canceling
from cab_broker_ccxt.candles import gate_candles
from cab_broker_ccxt.config import Config
from cab_broker_ccxt.errors import VenueAwayError, VenueError
from cab_broker_ccxt.listings import LOOK_BACK_DAYS, Listings
from cab_broker_ccxt.memory import Memory
from cab_broker_ccxt.own import Own
from cab_broker_ccxt.resolving import Resolving
from cab_broker_ccxt.rules import Rules
from cab_broker_ccxt.sending import Sending
from cab_broker_ccxt.startup import Bench, checked
from cab_broker_ccxt.stops import Stops
from cab_core.sdk import (
    Account,
    Balance,
    Bars,
    BrokerCaps,
    Fill,
    Instrument,
    Intent,
    Outcome,
    Quote,
    Resolution,
    VenueOrder,
)


class GateBroker:
    """An account at Gate, or without keys its public prices alone.

    Nothing here makes tasks or sleeps on real time: whoever asks waits for the answer, on the injected clock.

    Args:
        account: symbols, clock and credentials.
        api: the road to the venue.
        config: the options.
    """

    def __init__(self, account: Account, api: Api, config: Config) -> None:
        self._account = account
        self._api = api
        self._config = config
        memory = Memory()
        self._rules = Rules(api, account.symbols, account.instruments)
        self._candles = gate_candles(api)
        listings = Listings(api, config.account_type)
        stops = Stops(listings, self._rules, memory)
        self._own = Own(api, listings, memory, config)
        self._sending = Sending(api, self._rules, memory, config)
        self._resolving = Resolving(api, listings, stops, memory, config)
        self._canceling = Canceling(api, listings, stops, memory)

    def caps(self) -> BrokerCaps:
        """Return what the venue can do."""
        return BrokerCaps(
            client_id_max=28,
            client_id_lookup="open",
            supports_request_expiry=True,
            absence="expiry",
            native_stop="limit",
            stop_max_ttl_s=self._config.stop_ttl_s,
            stop_locks_funds=False,
            fee_on_buy="base",
            candle_limit=1000,
            trades_window_days=LOOK_BACK_DAYS,
        )

    async def check(self) -> Sequence[str]:
        """Go through the start-up checklist of live trading.

        Returns:
            Warnings: what is allowed but probably not meant.

        Raises:
            ConfigError: everything that forbids trading, together.
        """
        bench = Bench(account=self._account, api=self._api, rules=self._rules, config=self._config)
        return await checked(bench)

    async def account_id(self) -> str | None:
        """Return the number of the user, None if the key may not see it."""
        try:
            detail = await self._api.row("privateAccountGetDetail", {})
        except VenueAwayError:
            raise
        except VenueError:
            return None
        return str(detail["user_id"]) if detail.get("user_id") else None

    async def instruments(self) -> Mapping[str, Instrument]:
        """Return the rules of all configured symbols, at most four hours old."""
        return await self._rules.all()

    async def server_time_ms(self) -> int:
        """Return the venue's clock, measured now."""
        await self._api.measure()
        return self._api.server.now_ms()

    async def candles(self, symbol: str, timeframe: str, limit: int) -> Bars:
        """Return the newest ``limit`` closed candles, oldest first; fewer where the history is shorter."""
        return await self._candles.newest(symbol, timeframe, limit)

    async def quote(self, symbol: str) -> Quote:
        """Return the best prices of the order book; unknown sides are None."""
        return await quote_of(self._api, symbol)

    async def balances(self) -> Mapping[str, Balance]:
        """Return what is held by currency. It may lag behind the orders: a check, never a position."""
        rows = objects(await self._api.rows("privateSpotGetAccounts", {}))
        held = {
            str(r.get("currency")): Balance(number(r.get("available")), number(r.get("locked"))) for r in rows
        }
        return {currency: balance for currency, balance in held.items() if balance.total != ZERO}

    async def submit(self, intent: Intent) -> Outcome:
        """Send one order, once, with an expiry that the venue enforces."""
        return await self._sending.submit(intent)

    async def resolve(self, intent: Intent) -> Resolution:
        """Find out by complete listings whether the venue has the order, and how it stands."""
        return await self._resolving.resolve(intent)

    async def cancel(self, intent: Intent) -> Outcome:
        """Cancel what rests and confirm it."""
        return await self._canceling.cancel(intent)

    async def orders(self, symbol: str, since_ms: int) -> Sequence[VenueOrder]:
        """Return open orders and waiting stops, and those that ended since ``since_ms``."""
        return await self._own.orders(symbol, since_ms)

    async def fills_of(self, intent: Intent) -> Sequence[Fill]:
        """Return the own trades of this attempt, oldest first."""
        return await self._own.fills_of(intent)

    async def fills_since(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        """Return own trades at or after ``since_ms``, oldest first."""
        return await self._own.fills_since(symbol, since_ms)

    async def close(self) -> None:
        """Release connections."""
        await self._api.client.close()
