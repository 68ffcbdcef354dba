"""The conformance suite of brokers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar, Protocol, TypeVar

import attrs

from cab_core.plugins.kinds import Kind
from cab_core.sdk import (
    Absent,
    Account,
    Ack,
    Broker,
    BrokerCaps,
    Clock,
    Costs,
    Found,
    Identified,
    Instrument,
    Intent,
    Outcome,
    Purpose,
    Rejected,
    Resolution,
    Secret,
    Side,
    Undetermined,
    Unknown,
)
from cab_core.testing.base import Conformance, reject
from cab_core.testing.broker_figures import held, paid, provable
from cab_core.testing.fakes import StillMarket, VirtualClock
from cab_core.testing.series import START_MS, TF_MS

T = TypeVar("T")
SYMBOL = "BTC/USDT"
API_KEY, API_SECRET = "kit-api-key-0001", "kit-api-secret-0002"


#: How long a check lets time pass before it gives up on a proof of absence.
PATIENCE_MS, STEP_MS = 7_200_000, 6_000


class AdvancedClock(Clock, Protocol):
    """A clock that a check can move."""

    def advance(self, *, ms: int) -> None:
        """Move the time forward."""


class BrokerConformance(Conformance):
    """Standard checks of a broker. Override `opened` to open yours against a venue that stays here.

    Such a venue holds 10,000 USDT and trades BTC near 100. Override `clock` too if it has a time of its own:
    a clock with ``advance(ms=...)``.
    """

    kind: ClassVar[Kind] = Kind.BROKER
    goes_out: ClassVar[bool] = True

    @cached_property
    def clock(self) -> AdvancedClock:
        """The clock of the accounts of one check; it moves when the check lets time pass."""
        return VirtualClock(START_MS + 1000 * TF_MS)

    def account(self) -> Account:
        """Return a new account of 10,000 USDT on a still market at 100, with made-up credentials."""
        return Account(
            symbols=(SYMBOL, "ETH/USDT"),
            initial_quote=Decimal(10_000),
            costs=Costs(),
            instruments={symbol: Instrument(symbol) for symbol in (SYMBOL, "ETH/USDT")},
            clock=self.clock,
            api_key=Secret(API_KEY),
            api_secret=Secret(API_SECRET),
            market=StillMarket(self.clock),
        )

    def opened(self) -> Broker:
        """Return an open broker on a fresh account."""
        broker: Broker = self.build().open(self.account())
        return broker

    def exercise(self, plugin: Any) -> None:
        """Open an account."""
        plugin.open(self.account())

    def buy(self, cost: str = "50", ref: str = "1") -> Intent:
        """Return the intent, journaled now, to spend ``cost`` USDT on BTC; ``ref`` makes it another one."""
        key, now_ms = f"{SYMBOL}|buy|entry|{ref}", self.clock.now_ms()
        intent = Intent(key, SYMBOL, Side.BUY, Purpose.ENTRY, "kit", "0" * 16, now_ms, cost=Decimal(cost))
        return attrs.evolve(intent, sent_ms=now_ms)

    def sell(self, quantity: Decimal, ref: str = "2") -> Intent:
        """Return the intent, journaled now, to sell ``quantity`` BTC."""
        sized = attrs.evolve(self.buy(), cost=None, quantity=quantity, side=Side.SELL)
        return attrs.evolve(sized, key=f"{SYMBOL}|sell|signal_sell|{ref}", purpose=Purpose.SIGNAL_SELL)

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
            before = await held(broker)
            self._expect(await broker.submit(self.buy("50")), Ack, "a buy for 50 USDT")
            after = await held(broker)
            spent = before["USDT"] - after["USDT"]
            if not Decimal(45) <= spent <= Decimal(50):
                reject(f"a buy for 50 USDT spent {spent}", "size buys in quote, round down")
            if after.get("BTC", Decimal(0)) <= before.get("BTC", Decimal(0)):
                reject("a buy brought no BTC", "credit the base currency")

        self.ask(talk)

    def test_a_sell_is_sized_in_base(self) -> None:
        """A sell gives exactly the quantity it was told, and brings quote currency."""

        async def talk(broker: Broker) -> None:
            self._expect(await broker.submit(self.buy("200")), Ack, "a buy for 200 USDT")
            before = await held(broker)
            self._expect(await broker.submit(self.sell(Decimal("1.5"))), Ack, "a sell of 1.5 BTC")
            after = await held(broker)
            sold = before["BTC"] - after["BTC"]
            if sold != Decimal("1.5"):
                reject(f"a sell of 1.5 BTC sold {sold}", "size sells in base, take the fee in quote")
            if after["USDT"] <= before["USDT"]:
                reject("a sell brought no USDT", "credit the quote currency")

        self.ask(talk)

    def test_precision_never_enlarges_an_order(self) -> None:
        """A quantity finer than the venue's step is rejected or rounded down, never up."""

        async def talk(broker: Broker) -> None:
            await broker.submit(self.buy("200"))
            step = (await broker.instruments())[SYMBOL].amount_step
            before = await held(broker)
            self._value(await broker.submit(self.sell(1 + step * 9 / 10)))
            sold = before["BTC"] - (await held(broker))["BTC"]
            if sold not in (0, 1 - 1 % step):
                reject(f"a sell of {1 + step * 9 / 10} BTC sold {sold}", f"round down to the step of {step}")

        self.ask(talk)

    def test_client_ids_are_idempotent(self) -> None:
        """The same intent sent twice is one order, whatever the second send is told."""

        async def talk(broker: Broker) -> None:
            intent = self.buy("50")
            await broker.submit(intent)
            once, fills = await held(broker), await broker.fills_since(SYMBOL, 0)
            self._value(await broker.submit(intent))
            if await held(broker) != once or list(await broker.fills_since(SYMBOL, 0)) != list(fills):
                reject("sending an intent twice bought twice", "look the client id up before executing")

        self.ask(talk)

    def test_refusals_are_values(self) -> None:
        """No money, too small, unknown symbol, nothing to sell: `Rejected` with a reason, never an error."""

        async def talk(broker: Broker) -> None:
            before = await held(broker)
            hopeless = {
                "a buy beyond the balance": self.buy("1000000", "3"),
                "a buy below the minimum": self.buy("0.01", "4"),
                "a sell of what is not there": self.sell(Decimal(5), "5"),
            }
            for name, intent in hopeless.items():
                outcome = await broker.submit(intent)
                self._expect(outcome, Rejected, name)
                if isinstance(outcome, Rejected) and not outcome.reason:
                    reject(f"{name} is rejected without a reason", "name the reason in snake case")
            if await held(broker) != before:
                reject("a rejected order changed the balances", "check first, then book")

        self.ask(talk)

    def test_fills_tell_what_happened(self) -> None:
        """Fills are unique, ordered, ours, carry their fee, and add up to the balances."""

        async def talk(broker: Broker) -> None:
            before = await held(broker)
            await broker.submit(self.buy("50", "6"))
            await broker.submit(self.buy("60", "7"))
            fills = list(await broker.fills_since(SYMBOL, 0))
            if len({fill.trade_id for fill in fills}) != len(fills) or len(fills) < 2:
                reject(
                    f"two orders gave the trades {[fill.trade_id for fill in fills]}", "give each its own id"
                )
            if {fill.client_id for fill in fills} != {
                self.buy("50", "6").client_id,
                self.buy("60", "7").client_id,
            }:
                reject("the fills do not carry the client ids of the intents", "copy intent.client_id")
            if [fill.ts_ms for fill in fills] != sorted(fill.ts_ms for fill in fills):
                reject("the fills are not ordered by time", "return them oldest first")
            spent = before["USDT"] - (await held(broker))["USDT"]
            if spent != sum(map(paid, fills)):
                reject(
                    f"fills of {sum(map(paid, fills))} USDT against {spent} in the balance",
                    "book what was filled",
                )
            first = [fill for fill in fills if fill.client_id == self.buy("50", "6").client_id]
            if list(await broker.fills_of(self.buy("50", "6"))) != first:
                reject("fills_of() does not return the trades of its order", "filter by the client id")
            if await broker.fills_since(SYMBOL, fills[-1].ts_ms + 1):
                reject("fills_since() returns older fills", "filter by since_ms, inclusive")

        self.ask(talk)

    def test_orders_are_resolved_by_observation(self) -> None:
        """What was sent is found, what was never sent is absent, and asking changes nothing."""

        async def talk(broker: Broker) -> None:
            sent, never = self.buy("50", "8"), self.buy("50", "9")
            await broker.submit(sent)
            before = await held(broker)
            found, absent = await broker.resolve(sent), await self._absence(broker, never)
            if not isinstance(found, Found):
                reject(
                    f"a sent order is resolved as {found}", "look up open orders, finished ones and trades"
                )
            if not isinstance(absent, Absent) and provable(broker.caps()):
                reject(
                    f"an order that was never sent is resolved as {absent}",
                    "say Absent where the venue proves it",
                )
            if await held(broker) != before:
                reject("resolve() changed the balances", "only look")

        self.ask(talk)

    def test_absence_is_proven_as_the_caps_say(self) -> None:
        """``expiry``: a late request is void, and what was taken is found, also after a restart.

        ``none``: silence is never taken for a proof, however long it lasts.
        """
        late = self.buy("50", "12")

        async def promise(broker: Broker) -> str:
            caps = broker.caps()
            if caps.absence == "none":
                if caps.client_id_lookup != "always":
                    await self._never_absent(broker, self.buy("50", "13"))
                return caps.absence
            if not caps.supports_request_expiry:
                reject(
                    "absence is 'expiry' and supports_request_expiry is False",
                    "send an expiry that the venue enforces, or say absence='none'",
                )
            before = await held(broker)
            self.clock.advance(ms=PATIENCE_MS // 10)
            self._expect(await broker.submit(late), Rejected, "an order whose time is over")
            if await held(broker) != before:
                reject("an order whose time was over was executed", "send nothing after expires_ms")
            return caps.absence

        if self.ask(promise) == "none":
            return
        taken = self.buy("50", "14")
        self.ask(lambda broker: broker.submit(taken))
        self.clock.advance(ms=PATIENCE_MS // 10)
        found = self.ask(lambda broker: broker.resolve(taken))
        if not isinstance(found, Found):
            reject(
                f"after a restart a taken order is resolved as {found}",
                "keep no proof in memory: look for the client id in the venue's listings",
            )

    async def _never_absent(self, broker: Broker, never: Intent) -> None:
        for _ in range(3):
            self.clock.advance(ms=PATIENCE_MS // 2)
            if isinstance(await broker.resolve(never), Absent):
                reject(
                    "absence is 'none' and resolve() says Absent", "say Undetermined where nothing proves it"
                )

    def test_cancelling_what_is_gone_is_a_value(self) -> None:
        """Cancelling an order that is filled, or never was, is `Rejected`; no order rests unseen."""

        async def talk(broker: Broker) -> None:
            await broker.submit(self.buy("50", "10"))
            self._expect(await broker.cancel(self.buy("50", "10")), Rejected, "cancelling a filled order")
            self._expect(await broker.cancel(self.buy("50", "11")), Rejected, "cancelling an unknown order")
            if [order for order in await broker.orders(SYMBOL, 0) if order.open]:
                reject("a filled market order is listed as open", "list resting orders only")

        self.ask(talk)

    def test_an_account_is_named_alike(self) -> None:
        """Who can name the account does so alike at every start, without a credential in it."""

        async def talk(broker: Broker) -> str | None:
            return await broker.account_id() if isinstance(broker, Identified) else None

        first, second = self.ask(talk), self.ask(talk)
        if first is None and second is None:
            return
        if not isinstance(first, str) or not first:
            reject(f"account_id() is {first!r}", "return the venue's name of the account, or None")
        if first != second:
            reject(f"account_id() is {first!r} and then {second!r}", "return what never changes")
        if API_KEY in first or API_SECRET in first:
            reject("account_id() holds a credential", "return what all keys of the account share")

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

    async def _absence(self, broker: Broker, never: Intent) -> Resolution:
        """Ask for an order that was never sent until the broker is sure; not before it may be."""
        resolution = await broker.resolve(never)
        if isinstance(resolution, Absent) and broker.caps().supports_request_expiry:
            reject(
                "an order whose request may still arrive is resolved as Absent",
                "wait until the request has expired, then look again",
            )
        for _ in range(PATIENCE_MS // STEP_MS if provable(broker.caps()) else 3):
            if not isinstance(resolution, Undetermined):
                break
            self.clock.advance(ms=STEP_MS)
            resolution = await broker.resolve(never)
        return resolution

    def _value(self, outcome: Any) -> None:
        if not isinstance(outcome, Ack | Rejected | Unknown):
            reject(f"submit() returned {outcome!r}", "return Ack, Rejected or Unknown")

    def _expect(self, outcome: Outcome, kind: type, name: str) -> None:
        self._value(outcome)
        if not isinstance(outcome, kind):
            reject(f"{name} gave {outcome!r}, not {kind.__name__}", "outcomes are values of cab_core.sdk")
