"""For tests: an exchange served from a thread of this process, to be looked into meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import TypeVar

import attrs

from cab_core.data.generator import generate
from cab_core.domain.bars import Bars
from cab_core.domain.candles import Series
from cab_core.domain.market import Instrument
from cab_core.domain.timeframes import DAY_MS
from cab_exchange_sim.app import make_app
from cab_exchange_sim.control import PREFIX as CONTROL
from cab_exchange_sim.engine import Exchange, VenueSettings
from cab_exchange_sim.faults import Faults
from cab_exchange_sim.hosting import Hosts
from cab_exchange_sim.keys import ApiKey
from cab_exchange_sim.market_clock import MarketClock
from cab_exchange_sim.web.gateway import PREFIX as API

T = TypeVar("T")

_HOSTS = Hosts()


@attrs.frozen(slots=True)
class RunningExchange:
    """An exchange that answers on a port of this machine.

    Attributes:
        origin: ``http://127.0.0.1:PORT``. ``base_url``: the API; ``control_url``: the control plane.
        key, secret: of the account ``main``.
        exchange: the exchange itself. Look at it freely while no request is under way; change it with `call`.
    """

    origin: str
    base_url: str
    control_url: str
    key: str
    secret: str
    control_token: str
    exchange: Exchange
    clock: MarketClock
    faults: Faults
    loop: asyncio.AbstractEventLoop

    def call(self, function: Callable[[], T]) -> T:
        """Run a function between two requests, on the server's event loop, and return its result."""

        async def run() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result()

    def advance(self, by_ms: int) -> int:
        """Move the clock and play the market; return the new time."""

        def play() -> int:
            self.clock.advance(self.clock.now_ms() + by_ms)
            self.exchange.advance(self.clock.now_ms())
            return self.exchange.now_ms

        return self.call(play)


def sample_exchange(
    *,
    symbols: Sequence[str] = ("BTC/USDT",),
    days: int = 30,
    seed: int = 7,
    warmup_days: int = 10,
    bars: Mapping[str, Bars | Series] | None = None,
    settings: VenueSettings | None = None,
    instruments: Mapping[str, Instrument] | None = None,
    balances: Mapping[str, Mapping[str, Decimal]] | None = None,
) -> Exchange:
    """Return an exchange on made-up or given candles, opened after ``warmup_days`` of them."""
    markets = bars or {symbol: generate(symbol, days, seed) for symbol in symbols}
    exchange = Exchange(markets, settings=settings, instruments=instruments, balances=balances)
    exchange.advance(exchange.now_ms + warmup_days * DAY_MS)
    return exchange


@contextmanager
def running_exchange(
    exchange: Exchange | None = None,
    *,
    rate: float = 0.0,
    key: str = "key",
    secret: str = "secret",  # noqa: S107 - of an exchange that exists for one test
    control_token: str = "control",  # noqa: S107 - likewise
    more_keys: Sequence[ApiKey] = (),
) -> Iterator[RunningExchange]:
    """Serve an exchange on a free port of this machine for the length of the block.

    Args:
        exchange: what is served; `sample_exchange` if None.
        rate: times faster than real time; 0 stands still but for `RunningExchange.advance`.
        key: of the first account.
        secret: of the same.
        more_keys: others.
        control_token: of the control plane.
    """
    exchange = exchange or sample_exchange()
    clock = MarketClock(exchange.now_ms, rate)
    faults = Faults(clock.now_ms, seed=exchange.settings.seed)
    keys = [ApiKey(key, secret, exchange.accounts.names[0]), *more_keys]
    with _HOSTS.lent() as host:
        app = make_app(
            exchange, keys=keys, clock=clock, control_token=control_token, faults=faults, leave=host.leave
        )
        with host.serving(app):
            try:
                yield RunningExchange(
                    origin=host.origin,
                    base_url=host.origin + API,
                    control_url=host.origin + CONTROL,
                    key=key,
                    secret=secret,
                    control_token=control_token,
                    exchange=exchange,
                    clock=clock,
                    faults=faults,
                    loop=host.loop,
                )
            finally:
                if host.alive:
                    host.loop.call_soon_threadsafe(faults.stop)  # nothing waits for an answer any more
