"""Putting together the prices of any venue of ccxt. Imported when a broker opens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
import ccxt.async_support as venues  # type: ignore[import-untyped]  # ccxt ships no types

from cab_broker_ccxt.any_prices import AnyPrices
from cab_broker_ccxt.api import Api
from cab_broker_ccxt.config import Config, ccxt_id
from cab_broker_ccxt.limiter import Limiter
from cab_broker_ccxt.offline_checks import GENERIC
from cab_broker_ccxt.opening import settings_of
from cab_broker_ccxt.reply import Reply
from cab_broker_ccxt.server_clock import ServerClock
from cab_broker_ccxt.startup import reported
from cab_broker_ccxt.wire import Guarded, replaced, watched
from cab_core.sdk import Account, CabError

PUBLIC = frozenset({"fetch_time", "load_markets_helper", "fetch_order_book", "fetch_ticker", "fetch_ohlcv"})


class AnyClient(Guarded):
    """A venue of ccxt by its unified methods, on the venue's time."""

    cab_stamp_ms: Callable[[], int]

    def milliseconds(self) -> int:
        """Return the venue's time as measured, not the machine's."""
        return self.cab_stamp_ms()

    def seconds(self) -> int:
        """Return the same in seconds."""
        return self.cab_stamp_ms() // 1000

    def microseconds(self) -> int:
        """Return the same in microseconds."""
        return self.cab_stamp_ms() * 1000

    async def ask(self, endpoint: str, params: Mapping[str, Any]) -> Reply:
        """Call a unified method and tell what came of it.

        A refusal without a label of its own is named after ccxt's error, if the venue's answer was read.
        """
        reply = await watched(getattr(self, endpoint)(**params))
        return attrs.evolve(reply, label=reply.error) if reply.parsed and not reply.label else reply


def open_any(account: Account, config: Config) -> AnyPrices:
    """Open the market of a venue of ccxt; nothing is asked of the network yet.

    Raises:
        CabError: ccxt knows no such venue.
        ConfigError: ccxt is not what we tested.
    """
    name = ccxt_id(config.exchange_id)
    if name not in venues.exchanges:
        raise CabError(
            f"ccxt knows no exchange {name!r}", where=config.where, fix="see ccxt's list of exchanges"
        )
    kind = type("AnyVenue", (AnyClient, getattr(venues, name)), {})
    server = ServerClock(account.clock)
    client: Any = kind(settings_of(account, config))
    client.number = str
    client.has["fetchCurrencies"] = False
    client.cab_stamp_ms = server.now_ms
    if config.base_url:
        client.urls["api"] = replaced(client.urls["api"], config.base_url)
    client.cab_places = tuple(_places(client.urls["api"], str(client.hostname or "")))
    reported([finding for check in GENERIC for finding in check(client, config)], config.where)
    api = Api(
        client=client,
        clock=account.clock,
        server=server,
        limiter=Limiter(account.clock, config.rate_rps, config.rate_burst),
        where=config.where,
        keyed=False,
        time_endpoint="fetch_time",
        public=PUBLIC,
    )
    return AnyPrices(account, api, client)


def _places(urls: Any, hostname: str) -> Iterator[str]:
    """Yield where requests may go: the addresses that the client is set up with, and nothing else."""
    for url in urls.values():
        if isinstance(url, dict):
            yield from _places(url, hostname)
        else:
            yield str(url).replace("{hostname}", hostname).rstrip("/") + "/"
