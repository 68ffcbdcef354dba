"""The broker against the local exchange: real ccxt, real HTTP, the bot's clock moves the exchange's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from decimal import Decimal
from typing import Any

import attrs

from cab_broker_ccxt.config import Config
from cab_broker_ccxt.gate import GateBroker
from cab_broker_ccxt.opening import open_gate
from cab_core.sdk import (
    Account,
    Costs,
    Instrument,
    Intent,
    OrderType,
    Purpose,
    Resolution,
    Secret,
    Side,
    Undetermined,
)
from cab_exchange_sim.faults import Rule
from cab_exchange_sim.relay import Relay
from cab_exchange_sim.testing import RunningExchange

D = Decimal
SYMBOL, PAIR, OTHER = "BTC/USDT", "BTC_USDT", "ETH/USDT"
RULES = {
    symbol: Instrument(
        symbol,
        amount_step=D("0.00001"),
        price_tick=D("0.01"),
        cost_step=D("0.01"),
        min_notional=D(3),
        min_amount=D("0.00001"),
    )
    for symbol in (SYMBOL, OTHER)
}


class BotClock:
    """The bot's clock: the exchange's, off by ``skew_ms``; who waits on it moves both."""

    def __init__(self, venue: RunningExchange) -> None:
        self._venue = venue
        self.skew_ms = 0

    def now_ms(self) -> int:
        return self._venue.clock.now_ms() + self.skew_ms

    def monotonic(self) -> float:
        return self._venue.clock.monotonic()

    async def sleep_until(self, ts_ms: int, order: int = 0) -> None:
        self.advance(max(0, ts_ms - self.now_ms()))

    def parked(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    def advance(self, ms: int = 0, seconds: float = 0.0) -> None:
        self._venue.advance(ms + round(seconds * 1000))


@attrs.define
class World:
    """An exchange, the bot's clock, and what happened there."""

    venue: RunningExchange
    clock: BotClock
    quotes: dict[str, Any] = attrs.field(factory=dict)
    count: int = 0

    def account(self, **changes: Any) -> Account:
        account = Account(
            symbols=(SYMBOL, OTHER),
            initial_quote=D(0),
            costs=Costs(),
            instruments={},
            clock=self.clock,
            api_key=Secret(self.venue.key),
            api_secret=Secret(self.venue.secret),
        )
        return attrs.evolve(account, **changes)

    def config(self, **changes: Any) -> Config:
        config = Config(
            where="broker:gateio", exchange_id="gateio", base_url=self.venue.base_url, timeout_s=1.0
        )
        return attrs.evolve(config, **changes)

    @asynccontextmanager
    async def opened(self, account: Account | None = None, **config: Any) -> AsyncIterator[GateBroker]:
        broker = open_gate(account or self.account(), self.config(**config))
        try:
            yield broker
        finally:
            await broker.close()

    @asynccontextmanager
    async def relayed(self) -> AsyncIterator[tuple[GateBroker, Relay]]:
        """Open a broker behind a relay that makes network faults."""
        relay = Relay(int(self.venue.origin.rpartition(":")[2]))
        await relay.open()
        try:
            async with self.opened(base_url=f"http://127.0.0.1:{relay.port}/api/v4") as broker:
                yield broker, relay
        finally:
            await relay.refuse()

    def fault(self, kind: str, stage: str = "after_accept", method: str = "POST", **more: Any) -> None:
        rule = Rule(stage=stage, kind=kind, method=method, **{"times": 1, **more})
        self.venue.call(lambda: self.venue.faults.add(rule))

    def change(self, function: Callable[[], Any]) -> Any:
        return self.venue.call(function)

    @property
    def pair(self) -> Any:
        """What is wrong with the pair."""
        return self.venue.exchange.pair_conditions(PAIR)

    def hide(self, ms: int) -> None:
        """Show the pair's orders and trades only so long after they happened."""
        self.change(lambda: setattr(self.pair, "order_delay_ms", ms))
        self.change(lambda: setattr(self.pair, "trade_delay_ms", ms))

    def orders(self, intent: Intent) -> list[Any]:
        """Return the orders of an intent that the exchange truly took."""
        return [order for order in self.venue.exchange.every_order() if order.text == intent.client_id]

    def price(self) -> Decimal:
        quote = self.venue.exchange.book(PAIR)
        return D(quote.bids[0][0])

    def _sent(self, intent: Intent) -> Intent:
        now = self.clock.now_ms()
        return attrs.evolve(intent, created_ms=now, sent_ms=now)

    def buy(self, cost: str = "50", **changes: Any) -> Intent:
        """Return a buy that was journaled just now."""
        self.count += 1
        key = f"{SYMBOL}|buy|entry|{self.count}"
        intent = Intent(key, SYMBOL, Side.BUY, Purpose.ENTRY, "test", "t" * 16, 0, cost=D(cost))
        return attrs.evolve(self._sent(intent), **changes)

    def sell(self, quantity: str, **changes: Any) -> Intent:
        """Return a sell that was journaled just now."""
        self.count += 1
        key = f"{SYMBOL}|sell|signal_sell|{self.count}"
        intent = Intent(
            key, SYMBOL, Side.SELL, Purpose.SIGNAL_SELL, "test", "t" * 16, 0, quantity=D(quantity)
        )
        return attrs.evolve(self._sent(intent), **changes)

    def stop(self, quantity: str, below: str = "0.98", **changes: Any) -> Intent:
        """Return a stop at a fraction of the price, journaled just now."""
        trigger = (self.price() * D(below)).quantize(D("0.01"))
        limit = (trigger * D("0.99")).quantize(D("0.01"))
        stop = attrs.evolve(
            self.sell(quantity),
            purpose=Purpose.STOP_LOSS,
            type=OrderType.STOP_LIMIT,
            trigger=trigger,
            limit=limit,
        )
        return attrs.evolve(stop, **changes)

    def wait_for_price(self, below: Decimal) -> None:
        """Play the market until the bid is below a price."""
        exchange, clock = self.venue.exchange, self.venue.clock

        def play() -> bool:
            market = exchange.market(PAIR)
            for _ in range(20_000):
                if (market.prices(exchange.now_ms).bid or 0) < below:
                    return True
                clock.advance(clock.now_ms() + 60_000)
                exchange.advance(clock.now_ms())
            return False

        assert self.venue.call(play), "the sample never fell that far"


async def resolved(world: World, broker: GateBroker, intent: Intent) -> Resolution:
    """Ask again and again, as time passes, until it is clear."""
    for _ in range(30):
        resolution = await broker.resolve(intent)
        if not isinstance(resolution, Undetermined):
            return resolution
        world.clock.advance(5_000)
    raise AssertionError("never clear")
