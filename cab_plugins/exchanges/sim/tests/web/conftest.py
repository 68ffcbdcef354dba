"""A served exchange and a client that signs by hand, so that each part of a request can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from cab_exchange_sim.engine import VenueSettings
from cab_exchange_sim.keys import ApiKey, signature
from cab_exchange_sim.testing import RunningExchange, running_exchange, sample_exchange

Api = Callable[..., httpx.Response]


@pytest.fixture
def venue() -> Iterator[RunningExchange]:
    reader = ApiKey("reader", "r", read_only=True)
    exchange = sample_exchange(settings=VenueSettings(seed=3), symbols=("BTC/USDT", "ETH/USDT"))
    with running_exchange(exchange, more_keys=[reader]) as running:
        yield running


@pytest.fixture
def api(venue: RunningExchange) -> Iterator[Api]:
    with httpx.Client(base_url=venue.origin, trust_env=False) as client:

        def send(
            method: str,
            path: str,
            query: str = "",
            body: Any = None,
            *,
            key: str = venue.key,
            secret: str = venue.secret,
            timestamp: str | None = None,
            **headers: str,
        ) -> httpx.Response:
            content = b"" if body is None else json.dumps(body).encode()
            whole = f"/api/v4{path}"
            stamp = timestamp or str(venue.exchange.server_ms / 1000)
            signed = {"KEY": key, "Timestamp": stamp, "Content-Type": "application/json"}
            signed["SIGN"] = signature(secret, method, whole, query, content, stamp)
            url = whole + (f"?{query}" if query else "")
            extra = {name.replace("_", "-"): value for name, value in headers.items()}
            return client.request(method, url, content=content, headers=signed | extra)

        yield send


@pytest.fixture
def buy(api: Api) -> Callable[..., httpx.Response]:
    def send(amount: str = "50", text: str = "t-a", pair: str = "BTC_USDT", **headers: str) -> httpx.Response:
        body = {"currency_pair": pair, "type": "market", "side": "buy", "amount": amount, "text": text,
                "account": "spot", "time_in_force": "ioc"}  # fmt: skip
        return api("POST", "/spot/orders", body=body, **headers)

    return send
