"""The broker's verbs over the exchange in this process: what `cab_broker_ccxt` does over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs
from tests.sim.absence import Absences
from tests.sim.canceling import Canceling
from tests.sim.listings import Listings
from tests.sim.reading import NOT_FOUND, ack_of, closed_bars, fill_of, rejected, rules_of
from tests.sim.sending import placing
from tests.sim.wire import LostError, NotSentError, VenueSaidError, Wire
from tests.sim.world import ACCOUNT

from cab_core.contracts import Balance, BrokerCaps
from cab_core.domain.bars import Bars
from cab_core.domain.market import Instrument, Quote
from cab_core.domain.orders import (
    Absent,
    Ack,
    Fill,
    Found,
    Intent,
    Outcome,
    Rejected,
    Resolution,
    Undetermined,
    Unknown,
    VenueOrder,
)
from cab_core.errors import CabError
from cab_exchange_sim.engine import Exchange, Order, Stop, pair_of

#: How long a stop may rest before the exchange ends it, seconds; the kernel renews it at half of that.
STOP_TTL_S = 8 * 3600

#: How often the exchange's clock is read anew.
SYNC_MS = 60_000

#: Candles served at once: the strategies of a simulation need hardly any.
CANDLES = 3


@attrs.define(eq=False)
class SimBroker:
    """One process' account at the exchange of a world; what it knows of its orders is lost with it."""

    wire: Wire
    absences: Absences = attrs.field(factory=Absences)
    listings: Listings = attrs.field(init=False)
    _offset_ms: int = attrs.field(default=0, init=False)
    _synced_ms: int | None = attrs.field(default=None, init=False)
    _rules: dict[str, Instrument] = attrs.field(factory=dict, init=False)
    _sent: set[str] = attrs.field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        self.listings = Listings(self.wire)

    @property
    def exchange(self) -> Exchange:
        """The exchange."""
        return self.wire.world.exchange

    def caps(self) -> BrokerCaps:
        """Return what the venue can do."""
        return BrokerCaps(
            client_id_lookup="open",
            supports_request_expiry=True,
            absence="expiry",
            native_stop="limit",
            stop_max_ttl_s=STOP_TTL_S,
            trades_window_days=30,
        )

    async def instruments(self) -> Mapping[str, Instrument]:
        """Return the rules of all symbols."""
        markets = self.exchange.markets.values()
        told = await self.wire.read("instruments", "", lambda: [rules_of(market) for market in markets])
        self._rules = {one.symbol: one for one in told}
        return dict(self._rules)

    async def server_time_ms(self) -> int:
        """Return the venue's clock."""
        return await self.wire.read("time", "", lambda: self.exchange.server_ms)

    async def candles(self, symbol: str, timeframe: str, limit: int) -> Bars:
        """Return the newest closed candles."""
        await self._sync()
        server_ms = self.wire.clock.now_ms() + self._offset_ms

        def ask() -> Bars:
            told = self.exchange.candles(pair_of(symbol), timeframe, limit=CANDLES + 2)
            return closed_bars(told, timeframe, server_ms, min(limit, CANDLES))

        return await self.wire.read("candles", f"{symbol}{timeframe}", ask)

    async def quote(self, symbol: str) -> Quote:
        """Return the best bid and ask."""
        if pair_of(symbol) not in self.exchange.markets:
            raise CabError(f"no market {symbol}")
        book = await self.wire.read("quote", symbol, lambda: self.exchange.book(pair_of(symbol), 1))
        return Quote(book.bids[0][0], book.asks[0][0], book.ts_ms, book.asks)

    async def balances(self) -> Mapping[str, Balance]:
        """Return what is held by currency."""
        held, _ = await self.wire.read("balances", "", lambda: self.exchange.balances(ACCOUNT))
        return {currency: Balance(h.available, h.locked) for currency, h in held.items()}

    async def submit(self, intent: Intent) -> Outcome:
        """Send one order, once."""
        if intent.client_id in self._sent:
            return Unknown(f"{intent.client_id} was sent before and is not sent again")
        try:
            await self._sync()
            if intent.symbol not in self._rules:
                await self.instruments()
        except CabError as error:
            return Rejected("not_sent", str(error), transient=True)
        expires_ms = self.expiry(intent)
        if self.wire.clock.now_ms() + self._offset_ms > expires_ms:
            return Rejected("not_sent", "its time was over", transient=True)
        self._sent.add(intent.client_id)
        placed = self.placing(intent, expires_ms)
        if isinstance(placed, Rejected):
            return placed
        try:
            done = await self.wire.send(intent.client_id, placed)
        except NotSentError as error:
            return Rejected("not_sent", error.fault, transient=True)
        except LostError as error:
            return self.lost(error.fault)
        except VenueSaidError as said:
            return self._refused(said)
        ack = ack_of(done) if isinstance(done, Order) else Ack(done.stop_id, final=False)
        self.listings.learn(intent.client_id, ack.order_id)
        return ack

    def placing(self, intent: Intent, expires_ms: int) -> Callable[[], Order | Stop] | Rejected:
        """Return what places the order once it arrives."""
        return placing(self.exchange, intent, self._rules[intent.symbol], expires_ms)

    def lost(self, fault: str) -> Outcome:
        """Return what a send without a good answer means."""
        return Unknown(fault)

    def expiry(self, intent: Intent) -> int:
        """Return until when the exchange may take the request, on its clock."""
        return (intent.expires_ms or intent.created_ms) + self._offset_ms

    async def resolve(self, intent: Intent) -> Resolution:
        """Find out by observation whether the exchange has the order."""
        try:
            await self._sync()
            begun_ms = self.wire.clock.now_ms() + self._offset_ms
            ack = await self._standing(intent)
        except CabError as error:
            return Undetermined(str(error))
        if ack is not None:
            return Found(ack)
        absent = self.absences.missed(intent.client_id, begun_ms, self.expiry(intent))
        return Absent() if absent else Undetermined("not listed so far")

    async def cancel(self, intent: Intent) -> Outcome:
        """Cancel a resting order."""
        return await Canceling(self.wire, self.listings).cancel(intent)

    async def orders(self, symbol: str, since_ms: int) -> Sequence[VenueOrder]:
        """Return open orders, waiting stops, and what ended since."""
        return await self.listings.orders(symbol, since_ms, STOP_TTL_S * 1000)

    async def fills_of(self, intent: Intent) -> Sequence[Fill]:
        """Return the visible own trades of one attempt."""
        order_id = self.listings.id_of(intent)
        if intent.trigger is not None:
            stop = None if order_id is None else await self.listings.stop(order_id)
            order_id = stop.fired_order_id if stop is not None else ""
            if not order_id:
                return []
        trades = await self.listings.trades(intent.symbol, (intent.sent_ms or 0) - 60_000)
        mine = [
            trade
            for trade in trades
            if trade.order_id == order_id or (order_id is None and trade.text == intent.client_id)
        ]
        return [attrs.evolve(fill_of(t, intent.client_id), reference=intent.reference) for t in mine]

    async def fills_since(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        """Return own trades at or after ``since_ms``."""
        trades = await self.listings.trades(symbol, since_ms)
        return [fill_of(trade, self.listings.owner(trade)) for trade in trades]

    async def close(self) -> None:
        """Nothing is open."""

    async def _standing(self, intent: Intent) -> Ack | None:
        """Return how the order stands, None if complete listings do not show it."""
        order_id = self.listings.id_of(intent)
        if intent.trigger is not None:
            rules = self._rules or await self.instruments()
            return await self.listings.stop_ack(intent, order_id, rules[intent.symbol])
        if order_id is not None:
            try:
                return ack_of(await self.listings.order(intent.symbol, order_id))
            except VenueSaidError as said:
                if said.label not in NOT_FOUND:
                    raise
                found = await self.listings.by_text(intent)
                if found is None:  # accepted, and not shown yet: silence is no absence
                    raise
                return found
        found = await self.listings.by_text(intent)
        if found is not None:
            self.listings.learn(intent.client_id, found.order_id)
        return found

    def _refused(self, said: VenueSaidError) -> Rejected:
        outcome = rejected(said)
        if outcome.reason == "clock_skew":
            self._synced_ms = None
        if outcome.reason in {"bad_precision", "below_min_notional", "not_tradable"}:
            self._rules.clear()
        return outcome

    async def _sync(self) -> None:
        now_ms = self.wire.clock.now_ms()
        if self._synced_ms is None or now_ms - self._synced_ms >= SYNC_MS:
            self._offset_ms = await self.server_time_ms() - self.wire.clock.now_ms()
            self._synced_ms = now_ms
