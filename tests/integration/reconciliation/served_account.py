"""The desk of these tests with an account at the local exchange, through ccxt and real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from decimal import Decimal
from typing import Any

import attrs
import pytest

from cab_broker_ccxt.config import Config
from cab_broker_ccxt.gate import GateBroker
from cab_broker_ccxt.opening import open_gate
from cab_core.domain.reconcile import Kind
from cab_core.sdk import Account, Costs, Instrument, Secret
from cab_exchange_sim.testing import RunningExchange, running_exchange, sample_exchange

SYMBOL, PAIR = "BTC/USDT", "BTC_USDT"
BTC = Instrument(
    SYMBOL, Decimal("0.0001"), Decimal("0.01"), min_notional=Decimal(3), min_amount=Decimal("0.0001")
)


@attrs.frozen
class SharedClock:
    """The exchange's time; whoever waits moves it."""

    venue: RunningExchange

    def now_ms(self) -> int:
        return self.venue.clock.now_ms()

    def monotonic(self) -> float:
        return self.venue.clock.monotonic()

    async def sleep_until(self, ts_ms: int, order: int = 0) -> None:
        self.venue.advance(max(0, ts_ms - self.now_ms()))

    def joined(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    def parked(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()


@pytest.fixture
def exchange() -> Iterator[RunningExchange]:
    market = sample_exchange(
        symbols=(SYMBOL,),
        days=14,
        warmup_days=2,
        instruments={SYMBOL: BTC},
        balances={"main": {"USDT": Decimal(10_000)}},
    )
    with running_exchange(market) as venue:
        yield venue


def opened(exchange: RunningExchange, clock: SharedClock) -> GateBroker:
    """Open the account as a process does that has just begun: it remembers nothing of former ones."""
    account = Account(
        symbols=(SYMBOL,),
        initial_quote=Decimal(0),
        costs=Costs(),
        instruments={},
        clock=clock,
        api_key=Secret(exchange.key),
        api_secret=Secret(exchange.secret),
    )
    where = Config(where="broker:gateio", exchange_id="gateio", base_url=exchange.base_url, timeout_s=5.0)
    return open_gate(account, where)


@pytest.fixture
async def gate(desk: Any, exchange: RunningExchange) -> AsyncIterator[Any]:
    """The desk of these tests with the account of the exchange."""
    desk.clock = SharedClock(exchange)
    desk.venue = opened(exchange, desk.clock)
    yield desk
    await desk.venue.close()


def adjust(exchange: RunningExchange, currency: str, delta: Decimal) -> None:
    exchange.call(lambda: exchange.exchange.adjust("main", currency, delta))


def total(exchange: RunningExchange) -> Decimal:
    holdings, _ = exchange.exchange.balances("main")
    held = holdings.get("BTC")
    return Decimal(0) if held is None else held.available + held.locked


def kinds(result: Any) -> set[Kind]:
    return {finding.kind for finding in result.findings}
