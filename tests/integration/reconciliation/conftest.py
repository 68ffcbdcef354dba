"""One account on a bench: a real database, the real execution, and a venue that others can touch too."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from served_account import exchange as exchange
from served_account import gate as gate

from cab_broker_paper import PaperBroker
from cab_core.bus.memory import MemoryBus
from cab_core.clock import TurnLock, VirtualClock
from cab_core.cycle.announce import Announcer
from cab_core.cycle.config import CycleConfig
from cab_core.cycle.execute_trade import Execution
from cab_core.cycle.protect import Protector
from cab_core.cycle.reconcile import Reconciler
from cab_core.cycle.settlement import Settlement
from cab_core.cycle.trader import Planned, Trader
from cab_core.domain.aggregation import AggregationSettings
from cab_core.domain.bars import Bars
from cab_core.domain.book import Book
from cab_core.domain.book_state import from_state
from cab_core.domain.booking import AppliedTo
from cab_core.domain.market import Costs, Instrument, Quote
from cab_core.domain.orders import (
    Ack,
    Fill,
    Found,
    Intent,
    Outcome,
    Purpose,
    Rejected,
    Resolution,
    Side,
    Undetermined,
    VenueOrder,
    intent_key,
)
from cab_core.errors import CabError
from cab_core.ports import Storage
from cab_core.sdk import Account
from cab_core.storage import Store, load_fills
from cab_core.storage.records import Records

SYMBOL = "BTC/USDT"
START_MS = 1_700_000_000_000
CYCLE_MS = 60_000
BTC = Instrument(SYMBOL, amount_step=Decimal("0.0001"), price_tick=Decimal("0.01"))
CONFIG = CycleConfig(
    aggregation=AggregationSettings(("none",)), instruments={SYMBOL: BTC}, baseline=Decimal(10_000)
)


@attrs.define
class Prices:
    """A market that stands where it is put."""

    clock: VirtualClock
    bid: Decimal | None = Decimal(100)

    async def quote(self, symbol: str) -> Quote:
        bid = self.bid
        return Quote(bid, None if bid is None else bid + Decimal("0.02"), self.clock.now_ms())

    async def candles(self, symbol: str, timeframe: str, limit: int) -> Bars:
        raise CabError("this market has no candles")


class Venue(PaperBroker):
    """An account that people and other programs use as well, and whose listings may lag or fail."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock, self.prices = clock, Prices(clock)
        account = Account(
            symbols=[SYMBOL],
            initial_quote=Decimal(10_000),
            costs=Costs(fee=Decimal("0.002"), slippage=Decimal(0)),
            instruments={SYMBOL: BTC},
            clock=clock,
        )
        super().__init__(account, self.prices)
        self.others: dict[str, VenueOrder] = {}
        self.ended: list[VenueOrder] = []
        self.hidden = False
        self.down: set[str] = set()
        self.lost: set[str] = set()
        self.canceled: list[str] = []

    # What others do.

    def trade_by_hand(self, quantity: str, price: int = 100) -> None:
        """Move base, positive for a purchase or a deposit of somebody else."""
        free = self._matcher.free
        free["BTC"] = free.get("BTC", Decimal(0)) + Decimal(quantity)
        free["USDT"] -= Decimal(quantity) * price

    def place(self, client_id: str, order_id: str = "o1", **changes: Any) -> VenueOrder:
        """Let an order of somebody else rest."""
        values: dict[str, Any] = {
            "order_id": order_id,
            "client_id": client_id,
            "symbol": SYMBOL,
            "side": Side.SELL,
            "stop": False,
            "open": True,
            "quantity": Decimal("0.5"),
            "filled": Decimal(0),
            "created_ms": self.clock.now_ms(),
        }
        self.others[order_id] = VenueOrder(**(values | changes))
        return self.others[order_id]

    def cancel_by_hand(self, client_id: str) -> None:
        self._matcher.cancel(client_id)

    def base(self) -> Decimal:
        return self._matcher.balances().get("BTC", Decimal(0))

    # What the bot sees.

    def _answers(self, verb: str) -> None:
        if verb in self.down:
            raise CabError(f"{verb}: page 2 of the listing could not be had")

    async def submit(self, intent: Intent) -> Outcome:
        outcome = await super().submit(intent)
        return self._told(intent, outcome) if isinstance(outcome, Ack) else outcome

    async def resolve(self, intent: Intent) -> Resolution:
        if intent.client_id in self.lost:
            return Undetermined("not in any listing")
        found = await super().resolve(intent)
        return Found(self._told(intent, found.ack)) if isinstance(found, Found) else found

    async def cancel(self, intent: Intent) -> Outcome:
        if intent.order_id in self.others:
            self.canceled.append(intent.order_id)
            gone = self.others.pop(intent.order_id)
            self.ended.append(attrs.evolve(gone, open=False))
            return Ack(intent.order_id)
        if intent.order_id is not None and intent.order_id != intent.client_id:
            return Rejected("not_open")
        return await super().cancel(intent)

    async def orders(self, symbol: str, since_ms: int) -> Sequence[VenueOrder]:
        self._answers("orders")
        return [*await super().orders(symbol, since_ms), *self.others.values(), *self.ended]

    async def balances(self) -> Mapping[str, Any]:
        self._answers("balances")
        return await super().balances()

    async def fills_of(self, intent: Intent) -> Sequence[Fill]:
        return [] if self.hidden else await super().fills_of(intent)

    async def fills_since(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        self._answers("fills_since")
        return [] if self.hidden else await super().fills_since(symbol, since_ms)

    def _told(self, intent: Intent, ack: Ack) -> Ack:
        filled = sum((f.quantity for f in self._matcher.fills_of(intent.client_id)), Decimal(0))
        return attrs.evolve(ack, filled=filled)


@attrs.define
class Bot:
    """A running bot on the bench."""

    store: Store
    trader: Trader
    execution: Execution
    reconciler: Reconciler
    protector: Protector
    events: list[tuple[str, Mapping[str, Any]]]
    bus: MemoryBus

    async def buy(self, ref: str = "1", cost: str = "100") -> None:
        """Enter as the bot does."""
        key = intent_key(SYMBOL, Side.BUY, Purpose.ENTRY, ref)
        now_ms = self.execution.clock.now_ms()
        intent = Intent(key, SYMBOL, Side.BUY, Purpose.ENTRY, "vote", "-", now_ms, cost=Decimal(cost))
        await self._make(Planned(intent, AppliedTo(Purpose.ENTRY, "vote", rules=CONFIG.exits)))

    async def sell(self, quantity: Decimal | None = None, ref: str = "1") -> None:
        """Leave as the bot does: everything, or ``quantity``."""
        key = intent_key(SYMBOL, Side.SELL, Purpose.SIGNAL_SELL, ref)
        now_ms = self.execution.clock.now_ms()
        wanted = quantity or (self.held() // BTC.amount_step) * BTC.amount_step
        intent = Intent(key, SYMBOL, Side.SELL, Purpose.SIGNAL_SELL, "vote", "-", now_ms, quantity=wanted)
        await self._make(Planned(intent, AppliedTo(Purpose.SIGNAL_SELL, "signal_sell")))

    async def _make(self, planned: Planned) -> None:
        assert await self.execution.plan([planned])
        await self.execution.execute_trade(planned)

    def held(self) -> Decimal:
        return self.trader.book.ledger.held(SYMBOL).quantity

    async def settled(self, seconds: int = 60) -> None:
        """Let time go by."""
        clock = self.execution.clock
        await clock.sleep_until(clock.now_ms() + 1000 * seconds)

    async def cycle(self, **options: Any) -> Any:
        """Reconcile a minute later."""
        await self.settled()
        return await self.reconciler.run_once(SYMBOL, **({"fix": True} | options))

    async def fills(self) -> list[Fill]:
        return await self.store.read(load_fills)

    async def alerts(self) -> list[tuple[str, str]]:
        await self.bus.drain()
        return [(p["severity"], p["text"]) for topic, p in self.events if topic == "alert"]


@attrs.define
class Desk:
    """A venue that lives on while bots come and go on one database."""

    folder: Path
    clock: VirtualClock = attrs.field(factory=lambda: VirtualClock(START_MS))
    venue: Venue = attrs.field(init=False)
    wrap: Any = attrs.field(default=lambda storage: storage)

    def __attrs_post_init__(self) -> None:
        self.venue = Venue(self.clock)

    @property
    def database(self) -> Path:
        return self.folder / "bot.sqlite3"

    def back_up(self) -> Path:
        """Copy the database of a closed bot."""
        copy = self.folder / "backup.sqlite3"
        shutil.copy(self.database, copy)
        return copy

    def restore(self, copy: Path) -> None:
        for suffix in ("", "-wal", "-shm"):
            self.database.with_name(self.database.name + suffix).unlink(missing_ok=True)
        shutil.copy(copy, self.database)

    @asynccontextmanager
    async def bot(self, stop_offset: str | None = None) -> AsyncIterator[Bot]:
        """Start a bot: what the database remembers, what was left open resolved."""
        store, bus = await Store.open(self.database), MemoryBus()
        storage: Storage = self.wrap(Records(store, "test"))
        events: list[tuple[str, Mapping[str, Any]]] = []

        async def on_event(topic: str, payload: Mapping[str, Any], _: str) -> None:
            events.append((topic, payload))

        bus.subscribe("*", on_event)
        past = await storage.remember()
        book = Book(CONFIG.baseline, CONFIG.instruments)
        if past.account is not None:
            book = from_state({"account": past.account, "positions": past.positions}, CONFIG.instruments)
        trader = Trader(CONFIG, book, lambda *_: [], lambda *_: None, past.halts)
        settlement = Settlement(trader, self.venue, storage, self.clock, resting_ms=0)
        execution = Execution(trader, self.venue, storage, self.clock, settlement)
        announcer = Announcer(bus, book)
        offset = None if stop_offset is None else Decimal(stop_offset)
        reconciler = Reconciler(
            trader=trader,
            broker=self.venue,
            execution=execution,
            storage=storage,
            clock=self.clock,
            announcer=announcer,
            trace_id=lambda: "0" * 16,
            since_ms=self.clock.now_ms() if past.as_of_ms is None else past.as_of_ms,
            interval_ms=CYCLE_MS,
            stop_offset=offset,
            turn=TurnLock(self.clock),
        )
        may_arm = reconciler.unknown.may_arm
        protector = Protector(
            execution, self.clock, offset or Decimal(0), None, announcer.alert, lambda: "0" * 16, may_arm
        )
        try:
            async with self.clock.joined():
                execution.take_over(past.open_intents)
                await execution.recover()
                yield Bot(store, trader, execution, reconciler, protector, events, bus)
        finally:
            await bus.close()
            await store.close()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)
