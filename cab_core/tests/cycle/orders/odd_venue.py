"""A bot on a real database, made of the cycle's own classes, at a venue whose answers a test scripts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from cab_core.bus.memory import MemoryBus
from cab_core.clock import TurnLock, VirtualClock
from cab_core.cycle.announce import Announcer
from cab_core.cycle.config import CycleConfig
from cab_core.cycle.cycle_records import CycleRecords
from cab_core.cycle.execute_trade import Execution
from cab_core.cycle.exit_watch import ExitWatch
from cab_core.cycle.protect import Protector
from cab_core.cycle.reconcile import Reconciler
from cab_core.cycle.records import Executed
from cab_core.cycle.settlement import Settlement
from cab_core.cycle.trader import Planned, Trader
from cab_core.domain.aggregation import AggregationSettings
from cab_core.domain.belief import Price
from cab_core.domain.book import Book
from cab_core.domain.book_state import from_state
from cab_core.domain.booking import AppliedTo
from cab_core.domain.market import Instrument, Quote
from cab_core.domain.orders import (
    Absent,
    Ack,
    Fill,
    Found,
    Intent,
    OrderType,
    Outcome,
    Purpose,
    Resolution,
    Side,
    Undetermined,
    VenueOrder,
    intent_key,
)
from cab_core.sdk import Balance, BrokerCaps
from cab_core.storage import Store
from cab_core.storage.records import Records

D = Decimal
SYMBOL = "BTC/USDT"
Answer = Callable[[Intent], Outcome]


class Venue:
    """Fills every order at once at `price`, unless `plan` (of sends) or `cancels` has another answer."""

    def __init__(self, clock: VirtualClock, symbols: Sequence[str] = (SYMBOL,)) -> None:
        self.clock, self.symbols, self.price = clock, symbols, D(100)
        self.sent: list[tuple[int, Intent]] = []
        self.plan: list[Answer] = []
        self.cancels: list[Answer] = []
        self.acks: dict[str, Ack] = {}
        self.trades: dict[str, list[Fill]] = {}
        self.held: dict[str, Decimal] = {}
        self.others: list[VenueOrder] = []
        self.down: set[str] = set()
        self.absent: set[str] = set()
        self.unpriced: set[str] = set()

    # What a script says of an order.

    def fill(
        self, intent: Intent, quantity: Decimal | str, price: Decimal | str | None = None, **ack: Any
    ) -> Ack:
        """Trade a part of an order; ``ack`` is what the venue says of the whole."""
        number = len(self.trades.setdefault(intent.client_id, []))
        trade = Fill(
            f"{intent.client_id}/{number}",
            intent.client_id,
            intent.symbol,
            intent.side,
            D(quantity),
            D(price or self.price),
            D(0),
            "USDT",
            self.clock.now_ms(),
            intent.reference,
        )
        self.trades[intent.client_id].append(trade)
        self.move(intent, D(quantity))
        done = sum((each.quantity for each in self.trades[intent.client_id]), D(0))
        return self.told(intent, **({"final": True, "filled": done} | ack))

    def told(self, intent: Intent, **ack: Any) -> Ack:
        """Say how an order stands from now on."""
        self.acks[intent.client_id] = Ack(intent.client_id, **ack)
        return self.acks[intent.client_id]

    def move(self, intent: Intent, quantity: Decimal) -> None:
        """Let base change hands without a trade to show for it."""
        sign = 1 if intent.side is Side.BUY else -1
        base = intent.symbol.partition("/")[0]
        self.held[base] = self.held.get(base, D(0)) + sign * quantity

    def sells(self, *, stops: bool = False) -> list[Intent]:
        return [i for _, i in self.sent if i.side is Side.SELL and (stops or i.trigger is None)]

    # The port.

    def caps(self) -> BrokerCaps:
        return BrokerCaps(native_stop="limit")

    async def instruments(self) -> Mapping[str, Instrument]:
        return {symbol: Instrument(symbol) for symbol in self.symbols}

    async def quote(self, symbol: str) -> Quote:
        self._answers("quote")
        bid = None if symbol in self.unpriced else self.price
        return Quote(bid, bid, self.clock.now_ms())

    async def submit(self, intent: Intent) -> Outcome:
        self.sent.append((self.clock.now_ms(), intent))
        if self.plan:
            return self.plan.pop(0)(intent)
        if intent.type is OrderType.STOP_LIMIT:
            return self.told(intent, final=False, filled=D(0))
        if intent.cost is not None:
            return self.fill(intent, intent.cost / self.price)
        return self.fill(intent, intent.quantity or D(0))

    async def resolve(self, intent: Intent) -> Resolution:
        self._answers("resolve")
        if intent.client_id in self.absent:
            return Absent()
        ack = self.acks.get(intent.client_id)
        return Undetermined("not listed, which proves nothing here") if ack is None else Found(ack)

    async def cancel(self, intent: Intent) -> Outcome:
        if self.cancels:
            return self.cancels.pop(0)(intent)
        before = self.acks[intent.client_id]
        return self.told(intent, final=True, filled=before.filled, ended="cancelled")

    async def fills_of(self, intent: Intent) -> Sequence[Fill]:
        self._answers("fills_of")
        return self.trades.get(intent.client_id, [])

    async def fills_since(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        self._answers("fills_since")
        return [t for trades in self.trades.values() for t in trades if t.symbol == symbol]

    async def orders(self, symbol: str, since_ms: int) -> Sequence[VenueOrder]:
        self._answers("orders")
        sent = {i.client_id: i for _, i in self.sent if i.symbol == symbol}
        return [*(self._listed(sent[c], ack) for c, ack in self.acks.items() if c in sent), *self.others]

    async def balances(self) -> Mapping[str, Balance]:
        self._answers("balances")
        return {base: Balance(quantity) for base, quantity in self.held.items() if quantity}

    def _listed(self, intent: Intent, ack: Ack) -> VenueOrder:
        return VenueOrder(
            order_id=ack.order_id,
            client_id=intent.client_id,
            symbol=intent.symbol,
            side=intent.side,
            stop=intent.type is OrderType.STOP_LIMIT and not ack.final,
            open=not ack.final,
            quantity=intent.quantity,
            filled=ack.filled or D(0),
            created_ms=intent.created_ms,
            trigger=intent.trigger,
            limit=intent.limit,
        )

    def _answers(self, verb: str) -> None:
        if verb in self.down:
            raise KeyError(f"a row without what {verb} needs")


@attrs.define
class Account:
    """A bot at the venue: what it decides is told by the test, what becomes of it is its own."""

    venue: Venue
    clock: VirtualClock
    store: Store
    trader: Trader
    execution: Execution
    exits: ExitWatch
    reconciler: Reconciler
    bus: MemoryBus
    lock: TurnLock
    heard: list[tuple[str, Mapping[str, Any]]] = attrs.field(factory=list)
    beats: list[int] = attrs.field(factory=list)

    @property
    def protector(self) -> Protector:
        assert self.exits.protector is not None
        return self.exits.protector

    def held(self, symbol: str = SYMBOL) -> Decimal:
        """Return the open position; 0 without one."""
        position = self.trader.book.positions.get(symbol)
        return D(0) if position is None else position.quantity

    async def buy(self, cost: str = "50", symbol: str = SYMBOL, ref: str = "1") -> Executed:
        key = intent_key(symbol, Side.BUY, Purpose.ENTRY, ref)
        now_ms = self.clock.now_ms()
        why = AppliedTo(Purpose.ENTRY, "vote", rules=self.trader.config.exits)
        intent = Intent(
            key, symbol, Side.BUY, Purpose.ENTRY, "vote", "-", now_ms, cost=D(cost), reference=D(100)
        )
        planned = Planned(intent, why)
        assert await self.execution.plan([planned])
        return await self.execution.execute_trade(planned)

    async def signal(self, symbol: str = SYMBOL) -> Executed:
        """Sell on a signal, as the cycle does."""
        quote = Quote(self.venue.price, self.venue.price, self.clock.now_ms())
        planned = self.trader.signal_sell(symbol, quote, "vote", "-", self.clock.now_ms())
        assert planned is not None
        assert await self.execution.plan([planned])
        return await self.execution.execute_trade(planned)

    async def look(self, symbol: str = SYMBOL) -> None:
        async with self.lock:
            await self.exits.look(symbol, Price(self.venue.price, self.clock.now_ms()))

    async def watch(self, seconds: int, every: int = 5, symbol: str = SYMBOL) -> None:
        """Look at the price that often for that long."""
        ends_ms = self.clock.now_ms() + 1000 * seconds
        while self.clock.now_ms() < ends_ms:
            await self.clock.sleep_until(self.clock.now_ms() + 1000 * every)
            await self.look(symbol)

    async def alerts(self, severity: str = "critical") -> list[str]:
        await self.bus.drain()
        return [p["text"] for topic, p in self.heard if topic == "alert" and p["severity"] == severity]

    async def states(self, purpose: Purpose) -> list[str]:
        """Return the states of the attempts on record, oldest first."""

        def read(conn: Any) -> list[str]:
            rows = conn.exec_driver_sql(
                "select state from order_intents where purpose = ? order by attempt", (str(purpose),)
            )
            return [row[0] for row in rows]

        return await self.store.read(read)


class _Still:
    """A market that no feed drives."""

    def stand_at(self, symbol: str, bid: Decimal) -> None:
        """Nothing to do."""


@asynccontextmanager
async def account(
    path: Path, venue: Venue | None = None, *, stop_offset: str | None = None, **instrument: Any
) -> AsyncIterator[Account]:
    """Start a bot on a database: what it remembers, what was left open resolved."""
    clock = VirtualClock(1_700_000_000_000) if venue is None else venue.clock
    venue = venue or Venue(clock)
    instruments = {symbol: Instrument(symbol, **instrument) for symbol in venue.symbols}
    config = CycleConfig(aggregation=AggregationSettings(("none",)), instruments=instruments)
    bus, store = MemoryBus(), await Store.open(path / "bot.sqlite3")
    storage = Records(store, "test")
    past = await storage.remember()
    book = Book(D(10_000), instruments)
    if past.account is not None:
        book = from_state({"account": past.account, "positions": past.positions}, instruments)
    trader = Trader(config, book, lambda *_: (), lambda *_: None)
    announcer, lock = Announcer(bus, book), TurnLock(clock)
    settlement = Settlement(trader, venue, storage, clock, events=announcer)
    execution = Execution(trader, venue, storage, clock, settlement, lock=lock)
    records = CycleRecords(storage, clock, _Ids(), execution, announcer, ())
    reconciler = Reconciler(
        trader=trader,
        broker=venue,
        execution=execution,
        storage=storage,
        clock=clock,
        announcer=announcer,
        trace_id=_Ids().trace_id,
        since_ms=clock.now_ms(),
        stop_offset=None if stop_offset is None else D(stop_offset),
        turn=lock,
    )
    protector = Protector(
        execution,
        clock,
        D(stop_offset or "0.005"),
        None,
        announcer.alert,
        _Ids().trace_id,
        reconciler.unknown.may_arm,
    )
    exits = ExitWatch(_Still(), execution, records, 60_000, protector if stop_offset else None)
    made = Account(venue, clock, store, trader, execution, exits, reconciler, bus, lock)

    async def hear(topic: str, payload: Mapping[str, Any], _: str) -> None:
        made.heard.append((topic, payload))

    bus.subscribe("*", hear)
    try:
        async with clock.joined():
            execution.take_over(past.open_intents)
            await execution.recover()
            yield made
    finally:
        await bus.close()
        await store.close()


class _Ids:
    def trace_id(self) -> str:
        return "-"
