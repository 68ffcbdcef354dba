"""One running exchange for all clients of a module, at the real time: they sign with their own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal, localcontext

import attrs
import pytest

from cab_core.data.generator import generate
from cab_core.domain.market import Instrument
from cab_core.domain.timeframes import DAY_MS
from cab_exchange_sim.engine import Exchange, VenueSettings
from cab_exchange_sim.testing import running_exchange


@attrs.frozen
class Venue:
    url: str
    key: str
    secret: str


@pytest.fixture(autouse=True)
def own_rounding() -> Iterator[None]:
    """Keep ccxt's rounding to these tests: it changes the Decimal context of its caller for good."""
    with localcontext():
        yield


@pytest.fixture(scope="module")
def venue() -> Iterator[Venue]:
    now_ms = time.time_ns() // 1_000_000
    exchange = Exchange(
        {"BTC/USDT": generate("BTC/USDT", 20, 7, start_ms=now_ms - 15 * DAY_MS)},
        instruments={"BTC/USDT": Instrument("BTC/USDT", price_tick=Decimal("0.1"))},
        balances={"main": {"USDT": Decimal(100_000), "BTC": Decimal(10)}},
        settings=VenueSettings(enforce_limits=False),
        start_ms=now_ms,
    )
    with running_exchange(exchange, rate=1) as running:
        yield Venue(running.base_url, running.key, running.secret)
