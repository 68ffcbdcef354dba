"""What every request passes: the clock, maintenance, rate limits, key and signature."""

from __future__ import annotations

import hmac
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote_plus

import attrs
from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency

from cab_exchange_sim.engine import Exchange, Refused
from cab_exchange_sim.keys import ApiKey, signature
from cab_exchange_sim.market_clock import MarketClock
from cab_exchange_sim.web.limits import CANCELS, PLACES, READS, Limit, RateLimiter
from cab_exchange_sim.web.reading import Fields

#: How far a request's ``Timestamp`` may be from the exchange's time.
MAX_GAP_S = 60

#: Where the API is, below the origin.
PREFIX = "/api/v4"
_PLACING = frozenset({("POST", "/spot/orders"), ("POST", "/spot/batch_orders")})
_ORDER = "/spot/orders/"

AnyRequest = Request[Any, Any, State]


@attrs.define(slots=True)
class Gateway:
    """The exchange behind its door.

    Attributes:
        requests: how many requests came in.
        counters: refused requests by label; ``stray_delete`` counts ``DELETE /spot/orders/``, where an order
            id was empty: always a client's mistake.
    """

    exchange: Exchange
    clock: MarketClock
    keys: Mapping[str, ApiKey]
    limiter: RateLimiter = attrs.field(factory=RateLimiter)
    requests: int = 0
    counters: Counter[str] = attrs.field(factory=Counter)

    @classmethod
    def of(cls, exchange: Exchange, clock: MarketClock, keys: Iterable[ApiKey]) -> Gateway:
        """Return a gateway for some keys."""
        return cls(exchange, clock, {key.key: key for key in keys})

    def catch_up(self) -> None:
        """Play the market until the clock's now."""
        self.exchange.advance(max(self.clock.now_ms(), self.exchange.now_ms))

    async def public(self, request: AnyRequest) -> Call:
        """Admit a request that needs no key."""
        self._arrived()
        host = request.client.host if request.client else ""
        self._limit(request, f"{host} {_endpoint(request)}", READS)
        return Call(self.exchange, request, Fields(_query(request)), b"", ApiKey("", "", ""))

    async def private(self, request: AnyRequest) -> Call:
        """Admit a signed request.

        Raises:
            Refused: the key, signature or time is wrong, or there were too many.
        """
        body = await request.body()
        self._arrived()
        key = self._proven(request, body)
        call = Call(self.exchange, request, Fields(_query(request)), body, key)
        self._limit_private(call)
        if key.read_only and request.method != "GET":
            raise Refused("READ_ONLY", "this key may only read", 403)
        return call

    def _arrived(self) -> None:
        self.requests += 1
        self.catch_up()
        if self.exchange.conditions.maintenance:
            raise Refused("SERVER_ERROR", "the exchange is under maintenance", 503)

    def _proven(self, request: AnyRequest, body: bytes) -> ApiKey:
        headers = request.headers
        missing = [name for name in ("KEY", "Timestamp", "SIGN") if not headers.get(name)]
        if missing:
            raise Refused("MISSING_REQUIRED_HEADER", f"Missing required header: {missing[0]}", 401)
        key = self.keys.get(headers["KEY"])
        if key is None:
            raise Refused("INVALID_KEY", "Invalid key provided", 401)
        timestamp = headers["Timestamp"]
        path, query = raw_path(request), unquote_plus(request.scope["query_string"].decode())
        signed = signature(key.secret, request.method, path, query, body, timestamp)
        if not hmac.compare_digest(signed, headers["SIGN"].lower()):
            raise Refused("INVALID_SIGNATURE", "Signature mismatch", 401)
        self._check_time(timestamp)
        return key

    def _check_time(self, timestamp: str) -> None:
        """Refuse a request of another time; on a fast clock the gap is as long in real time."""
        try:
            gap_s = abs(float(timestamp) - self.exchange.server_ms / 1000)
        except ValueError:
            raise Refused("INVALID_PARAM_VALUE", f"invalid Timestamp {timestamp}", 401) from None
        if not gap_s <= MAX_GAP_S * max(1.0, self.clock.rate):
            what = f"gap between request Timestamp and server time exceeds {MAX_GAP_S}"
            raise Refused("REQUEST_EXPIRED", what, 403)

    def _limit_private(self, call: Call) -> None:
        request, account = call.request, call.key.account
        path = request.scope["path"].removeprefix(PREFIX)
        if (request.method, path) in _PLACING or (request.method == "PATCH" and path.startswith(_ORDER)):
            for pair, count in call.pairs().items():
                self._limit(request, f"{account} place {pair}", PLACES, count)
        elif request.method == "DELETE" and path.startswith("/spot/orders"):
            self._limit(request, f"{account} cancel", CANCELS)
        else:
            self._limit(request, f"{account} {_endpoint(request)}", READS)

    def _limit(self, request: AnyRequest, name: str, limit: Limit, weight: int = 1) -> None:
        grant = self.limiter.take(name, limit, self.exchange.now_ms, weight)
        request.state.rate_headers = grant.headers()
        if not grant.allowed and self.exchange.settings.enforce_limits:
            raise Refused("TOO_MANY_REQUESTS", "Request Rate limit Exceeded", 429)


@attrs.frozen(slots=True)
class Call:
    """An admitted request. ``key`` is empty for public ones."""

    exchange: Exchange
    request: AnyRequest
    query: Fields
    body: bytes
    key: ApiKey

    @property
    def account(self) -> str:
        """The account of the key."""
        return self.key.account

    @property
    def request_id(self) -> str:
        """The client's id of the request."""
        return str(self.request.headers.get("X-Client-Request-Id", ""))

    def json(self) -> Any:
        """Return the parsed body.

        Raises:
            Refused: it is no JSON.
        """
        try:
            return json.loads(self.body)
        except ValueError:
            raise Refused("INVALID_PARAM_VALUE", "the body is no JSON") from None

    def fields(self) -> Fields:
        """Return the body, which must be one JSON object."""
        return Fields.of(self.json())

    @property
    def expires_ms(self) -> int | None:
        """The header ``X-Gate-Exptime``."""
        return Fields(dict(self.request.headers.items())).whole("x-gate-exptime")

    def pairs(self) -> dict[str, int]:
        """Return the pairs of the orders in the body or the query, and how many there are of each."""
        rows = self.json() if self.body else {}
        counted: dict[str, int] = {}
        for row in rows if isinstance(rows, list) else [rows]:
            named = row.get("currency_pair") if isinstance(row, dict) else None
            pair = str(named or self.query.text("currency_pair"))
            counted[pair] = counted.get(pair, 0) + 1
        return counted


#: A request that was let in, as an argument of a handler: ``public`` or ``private``.
Admitted: TypeAlias = NamedDependency[Call]


def raw_path(request: AnyRequest) -> str:
    """Return the path as it was sent."""
    raw = request.scope.get("raw_path") or request.scope["path"].encode()
    return raw.decode().partition("?")[0]


def _query(request: AnyRequest) -> dict[str, str]:
    return dict(parse_qsl(request.scope["query_string"].decode(), keep_blank_values=True))


def _endpoint(request: AnyRequest) -> str:
    handler = request.route_handler
    return f"{request.method} {handler.handler_name}"
