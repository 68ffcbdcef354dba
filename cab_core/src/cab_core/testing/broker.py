"""The conformance suite of brokers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

from cab_core.plugins.kinds import Kind
from cab_core.sdk import (
    Absent,
    Account,
    Ack,
    Broker,
    BrokerCaps,
    Costs,
    Fill,
    Found,
    Instrument,
    Intent,
    Outcome,
    Purpose,
    Rejected,
    Secret,
    Side,
    Unknown,
)
from cab_core.testing.base import Conformance, reject
from cab_core.testing.fakes import StillMarket, VirtualClock
from cab_core.testing.series import START_MS, TF_MS

T = TypeVar("T")
SYMBOL = "BTC/USDT"
API_KEY, API_SECRET = "kit-api-key-0001", "kit-api-secret-0002"


def buy(cost: str = "50", ref: str = "1") -> Intent:
    """Return the intent to spend ``cost`` USDT on BTC; ``ref`` makes it another one."""
    key = f"{SYMBOL}|buy|entry|{ref}"
    return Intent(key, SYMBOL, Side.BUY, Purpose.ENTRY, "kit", "0" * 16, START_MS, cost=Decimal(cost))


def sell(quantity: Decimal, ref: str = "2") -> Intent:
    """Return the intent to sell ``quantity`` BTC."""
    key = f"{SYMBOL}|sell|signal_sell|{ref}"
    return Intent(key, SYMBOL, Side.SELL, Purpose.SIGNAL_SELL, "kit", "0" * 16, START_MS, quantity=quantity)


class BrokerConformance(Conformance):
    """Standard checks of a broker. Override `opened` to open yours against a venue that stays here."""

    kind: ClassVar[Kind] = Kind.BROKER
    goes_out: ClassVar[bool] = True

    def account(self) -> Account:
        """Return a new account of 10,000 USDT on a still market at 100, with made-up credentials."""
        clock = VirtualClock(START_MS + 1000 * TF_MS)
        return Account(
            symbols=(SYMBOL, "ETH/USDT"),
            initial_quote=Decimal(10_000),
            costs=Costs(),
            instruments={symbol: Instrument(symbol) for symbol in (SYMBOL, "ETH/USDT")},
            clock=clock,
            api_key=Secret(API_KEY),
            api_secret=Secret(API_SECRET),
            market=StillMarket(clock),
        )

    def opened(self) -> Broker:
        """Return an open broker on a fresh account."""
        broker: Broker = self.build().open(self.account())
        return broker

    def exercise(self, plugin: Any) -> None:
        """Open an account."""
        plugin.open(self.account())

    def ask(self, question: Callable[[Broker], Awaitable[T]]) -> T:
        """Open a broker, let the coroutine function work with it, close it."""

        async def conversation() -> T:
            broker = self.opened()
            try:
                async with asyncio.timeout(30.0):
                    return await question(broker)
            finally:
                await broker.close()

        return asyncio.run(conversation())

    def test_describes_the_venue(self) -> None:
        """Capabilities and instruments are there, plausible, and cover every configured symbol."""

        async def talk(broker: Broker) -> Mapping[str, Instrument]:
            if not isinstance(broker.caps(), BrokerCaps):
                reject("caps() is no BrokerCaps", "return cab_core.sdk.BrokerCaps(...)")
            return await broker.instruments()

        found = self.ask(talk)
        for symbol in self.account().symbols:
            if symbol not in found:
                reject(f"instruments() does not know {symbol}", "return the rules of all configured symbols")
            rules = found[symbol]
            if min(rules.amount_step, rules.price_tick, rules.cost_step) <= 0 or rules.min_notional < 0:
                reject(f"the rules of {symbol} are {rules}", "steps are positive Decimals")

    def test_shows_the_market(self) -> None:
        """Candles are closed, in order and as many as asked for; bid is not above ask."""

        async def talk(broker: Broker) -> None:
            now = await broker.server_time_ms()
            bars = await broker.candles(SYMBOL, "15m", 20)
            stamps = bars.ts_ms.tolist()
            if not stamps or len(stamps) > 20 or stamps != sorted(set(stamps)) or stamps[-1] + TF_MS > now:
                reject("the candles are not the newest 20 closed ones, oldest first", "drop the open candle")
            quote = await broker.quote(SYMBOL)
            if quote.bid is not None and quote.ask is not None and quote.bid > quote.ask:
                reject(f"bid {quote.bid} is above ask {quote.ask}", "do not mix them up")

        self.ask(talk)

    def test_a_buy_is_sized_in_quote(self) -> None:
        """A buy spends the cost it was given and never more; what it gets is in base."""

        async def talk(broker: Broker) -> None:
            before = await _held(broker)
            self._expect(await broker.submit(buy("50")), Ack, "a buy for 50 USDT")
            after = await _held(broker)
            spent = before["USDT"] - after["USDT"]
            if not Decimal(45) <= spent <= Decimal(50):
                reject(f"a buy for 50 USDT spent {spent}", "size buys in quote, round down")
            if after.get("BTC", Decimal(0)) <= before.get("BTC", Decimal(0)):
                reject("a buy brought no BTC", "credit the base currency")

        self.ask(talk)

    def test_a_sell_is_sized_in_base(self) -> None:
        """A sell gives exactly the quantity it was told, and brings quote currency."""

        async def talk(broker: Broker) -> None:
            self._expect(await broker.submit(buy("200")), Ack, "a buy for 200 USDT")
            before = await _held(broker)
            self._expect(await broker.submit(sell(Decimal("1.5"))), Ack, "a sell of 1.5 BTC")
            after = await _held(broker)
            sold = before["BTC"] - after["BTC"]
            if sold != Decimal("1.5"):
                reject(f"a sell of 1.5 BTC sold {sold}", "size sells in base, take the fee in quote")
            if after["USDT"] <= before["USDT"]:
                reject("a sell brought no USDT", "credit the quote currency")

        self.ask(talk)

    def test_precision_never_enlarges_an_order(self) -> None:
        """A quantity finer than the venue's step is rejected or rounded down, never up."""

        async def talk(broker: Broker) -> None:
            await broker.submit(buy("200"))
            step = (await broker.instruments())[SYMBOL].amount_step
            before = await _held(broker)
            self._value(await broker.submit(sell(1 + step * 9 / 10)))
            sold = before["BTC"] - (await _held(broker))["BTC"]
            if sold not in (0, 1 - 1 % step):
                reject(f"a sell of {1 + step * 9 / 10} BTC sold {sold}", f"round down to the step of {step}")

        self.ask(talk)

    def test_client_ids_are_idempotent(self) -> None:
        """The same intent sent twice is one order, whatever the second send is told."""

        async def talk(broker: Broker) -> None:
            await broker.submit(buy("50"))
            once, fills = await _held(broker), await broker.fills_since(SYMBOL, 0)
            self._value(await broker.submit(buy("50")))
            if await _held(broker) != once or list(await broker.fills_since(SYMBOL, 0)) != list(fills):
                reject("sending an intent twice bought twice", "look the client id up before executing")

        self.ask(talk)

    def test_refusals_are_values(self) -> None:
        """No money, too small, unknown symbol, nothing to sell: `Rejected` with a reason, never an error."""

        async def talk(broker: Broker) -> None:
            before = await _held(broker)
            hopeless = {
                "a buy beyond the balance": buy("1000000", "3"),
                "a buy below the minimum": buy("0.01", "4"),
                "a sell of what is not there": sell(Decimal(5), "5"),
            }
            for name, intent in hopeless.items():
                outcome = await broker.submit(intent)
                self._expect(outcome, Rejected, name)
                if isinstance(outcome, Rejected) and not outcome.reason:
                    reject(f"{name} is rejected without a reason", "name the reason in snake case")
            if await _held(broker) != before:
                reject("a rejected order changed the balances", "check first, then book")

        self.ask(talk)

    def test_fills_tell_what_happened(self) -> None:
        """Fills are unique, ordered, ours, carry their fee, and add up to the balances."""

        async def talk(broker: Broker) -> None:
            before = await _held(broker)
            await broker.submit(buy("50", "6"))
            await broker.submit(buy("60", "7"))
            fills = list(await broker.fills_since(SYMBOL, 0))
            if len({fill.trade_id for fill in fills}) != len(fills) or len(fills) < 2:
                reject(
                    f"two orders gave the trades {[fill.trade_id for fill in fills]}", "give each its own id"
                )
            if {fill.client_id for fill in fills} != {buy("50", "6").client_id, buy("60", "7").client_id}:
                reject("the fills do not carry the client ids of the intents", "copy intent.client_id")
            if [fill.ts_ms for fill in fills] != sorted(fill.ts_ms for fill in fills):
                reject("the fills are not ordered by time", "return them oldest first")
            spent = before["USDT"] - (await _held(broker))["USDT"]
            if spent != sum(map(_paid, fills)):
                reject(
                    f"fills of {sum(map(_paid, fills))} USDT against {spent} in the balance",
                    "book what was filled",
                )
            first = [fill for fill in fills if fill.client_id == buy("50", "6").client_id]
            if list(await broker.fills_of(buy("50", "6"))) != first:
                reject("fills_of() does not return the trades of its order", "filter by the client id")
            if await broker.fills_since(SYMBOL, fills[-1].ts_ms + 1):
                reject("fills_since() returns older fills", "filter by since_ms, inclusive")

        self.ask(talk)

    def test_orders_are_resolved_by_observation(self) -> None:
        """What was sent is found, what was never sent is absent, and asking changes nothing."""

        async def talk(broker: Broker) -> None:
            await broker.submit(buy("50", "8"))
            before = await _held(broker)
            found, absent = await broker.resolve(buy("50", "8")), await broker.resolve(buy("50", "9"))
            if not isinstance(found, Found):
                reject(
                    f"a sent order is resolved as {found}", "look up open orders, finished ones and trades"
                )
            if not isinstance(absent, Absent):
                reject(
                    f"an order that was never sent is resolved as {absent}",
                    "say Absent where the venue proves it",
                )
            if await _held(broker) != before:
                reject("resolve() changed the balances", "only look")

        self.ask(talk)

    def test_cancelling_what_is_gone_is_a_value(self) -> None:
        """Cancelling an order that is filled, or never was, is `Rejected`; no order rests unseen."""

        async def talk(broker: Broker) -> None:
            await broker.submit(buy("50", "10"))
            self._expect(await broker.cancel(buy("50", "10")), Rejected, "cancelling a filled order")
            self._expect(await broker.cancel(buy("50", "11")), Rejected, "cancelling an unknown order")
            if [order for order in await broker.orders(SYMBOL, 0) if order.open]:
                reject("a filled market order is listed as open", "list resting orders only")

        self.ask(talk)

    def test_closing_twice_is_harmless(self) -> None:
        """A stop may meet a stop."""

        async def talk(broker: Broker) -> None:
            await broker.close()

        self.ask(talk)

    def test_credentials_are_not_in_the_output(self) -> None:
        """Neither the plugin nor the open account shows its credentials."""
        plugin = self.build()
        broker = plugin.open(self.account())
        for thing in (plugin, broker, vars(plugin)):
            if API_KEY in repr(thing) or API_SECRET in repr(thing):
                reject(
                    f"repr of {type(thing).__name__} shows a credential",
                    "keep it as a Secret, reveal it to sign",
                )
        asyncio.run(broker.close())

    def _value(self, outcome: Any) -> None:
        if not isinstance(outcome, Ack | Rejected | Unknown):
            reject(f"submit() returned {outcome!r}", "return Ack, Rejected or Unknown")

    def _expect(self, outcome: Outcome, kind: type, name: str) -> None:
        self._value(outcome)
        if not isinstance(outcome, kind):
            reject(f"{name} gave {outcome!r}, not {kind.__name__}", "outcomes are values of cab_core.sdk")


def _paid(fill: Fill) -> Decimal:
    """Return the quote currency a buy took, its fee included if that was in quote."""
    return fill.value + (fill.fee if fill.fee_currency == "USDT" else 0)


async def _held(broker: Broker) -> dict[str, Decimal]:
    return {currency: balance.total for currency, balance in (await broker.balances()).items()}
