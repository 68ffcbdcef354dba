"""Complete listings of own orders, stops and trades, and whose they are as far as this process knows."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from tests.sim.reading import ack_of, venue_order, venue_stop
from tests.sim.wire import Wire
from tests.sim.world import ACCOUNT

from cab_core.domain.market import Instrument
from cab_core.domain.money import ZERO
from cab_core.domain.orders import Ack, Intent, VenueOrder
from cab_core.domain.timeframes import DAY_MS
from cab_exchange_sim.engine import Exchange, Order, Stop, Trade, pair_of

#: How far a stop's creation may lie from the journalled send, milliseconds before and after.
BEFORE_MS, AFTER_MS = 5_000, 65_000

#: Longest span of own trades in one answer.
SLICE_MS = 29 * DAY_MS


@attrs.define(eq=False)
class Listings:
    """What can be read of own orders; ids learned here are lost with the process."""

    wire: Wire
    _ids: dict[str, str] = attrs.field(factory=dict)
    _owners: dict[str, str] = attrs.field(factory=dict)

    @property
    def _exchange(self) -> Exchange:
        return self.wire.world.exchange

    def learn(self, client_id: str, order_id: str) -> None:
        """Keep which order an intent became."""
        self._ids[client_id], self._owners[order_id] = order_id, client_id

    def id_of(self, intent: Intent) -> str | None:
        """Return the venue's id of an intent's order, None if it is not known."""
        if intent.order_id is not None:
            self.learn(intent.client_id, intent.order_id)
        return self._ids.get(intent.client_id)

    def owner(self, trade: Trade) -> str:
        """Return the client id a trade belongs to, empty if it is nobody's."""
        return self._owners.get(trade.order_id, trade.text if trade.text.startswith("t-") else "")

    async def order(self, symbol: str, order_id: str) -> Order:
        """Return one order."""
        return await self.wire.read(
            "order", order_id, lambda: self._exchange.order(ACCOUNT, order_id, pair_of(symbol)), listing=True
        )

    async def stop(self, stop_id: str) -> Stop:
        """Return one stop."""
        found = await self.wire.read(
            "stop", stop_id, lambda: self._exchange.stop(ACCOUNT, stop_id), listing=True
        )
        if found.fired_order_id and stop_id in self._owners:
            self._owners[found.fired_order_id] = self._owners[stop_id]
        return found

    async def stop_ack(
        self, intent: Intent, stop_id: str | None, rules: Instrument | None = None
    ) -> Ack | None:
        """Return how a stop stands, the order it has become included; None if no listing shows it."""
        if stop_id is None:
            found = await self._stops(intent.symbol)
            match = next((stop for stop in found if self._is_of(stop, intent, rules)), None)
            if match is None:
                return None
            self.learn(intent.client_id, match.stop_id)
            stop_id = match.stop_id
        stop = await self.stop(stop_id)
        if stop.status == "open":
            return Ack(stop_id, final=False)
        if not stop.fired_order_id:
            return Ack(stop_id, final=True, filled=ZERO, ended=f"{stop.status}: {stop.reason}")
        child = ack_of(await self.order(intent.symbol, stop.fired_order_id))
        return attrs.evolve(child, order_id=stop_id, fired_ms=stop.ended_ms)

    async def by_text(self, intent: Intent) -> Ack | None:
        """Scan open orders, finished ones, own trades, in this order: what ends meanwhile is not missed."""
        symbol, since_ms = intent.symbol, (intent.sent_ms or intent.created_ms) - 60_000
        for order in (*await self._open(symbol), *await self._finished(symbol, since_ms)):
            if order.text == intent.client_id:
                return ack_of(order)
        trades = [t for t in await self.trades(symbol, since_ms) if t.text == intent.client_id]
        if not trades:
            return None
        return Ack(trades[0].order_id, final=True, filled=sum((t.quantity for t in trades), ZERO))

    async def orders(self, symbol: str, since_ms: int, ttl_ms: int) -> Sequence[VenueOrder]:
        """Return open orders, waiting stops, and those that ended since; a child as part of its stop."""
        opened = await self._open(symbol)
        plain = {o.order_id: o for o in (*opened, *await self._finished(symbol, since_ms))}
        found = []
        for stop in await self._stops(symbol):
            child = plain.pop(stop.fired_order_id, None)
            if child is not None and stop.stop_id in self._owners:
                self._owners[child.order_id] = self._owners[stop.stop_id]
            recent = stop.created_ms >= since_ms - ttl_ms and (stop.ended_ms or 0) >= since_ms
            if stop.status == "open" or child is not None or recent:
                found.append(venue_stop(stop, child, self._owners.get(stop.stop_id, "")))
        return [*(venue_order(order) for order in plain.values()), *found]

    async def trades(self, symbol: str, since_ms: int) -> list[Trade]:
        """Return own trades since then in slices, ordered by time and id, each once."""
        now_ms = self._exchange.now_ms
        found: dict[str, Trade] = {}
        for start_ms in range(min(since_ms, now_ms), now_ms + 1, SLICE_MS):
            to_ms = min(start_ms + SLICE_MS, now_ms)
            told = await self.wire.read(
                "trades",
                symbol,
                lambda a=start_ms, b=to_ms: self._exchange.trades(ACCOUNT, pair_of(symbol), a, b),
                listing=True,
            )
            found.update((trade.trade_id, trade) for trade in told)
        return sorted(found.values(), key=lambda trade: (trade.ts_ms, int(trade.trade_id)))

    async def _open(self, symbol: str) -> list[Order]:
        return await self.wire.read(
            "open", symbol, lambda: self._exchange.open_orders(ACCOUNT, pair_of(symbol)), listing=True
        )

    async def _finished(self, symbol: str, since_ms: int) -> list[Order]:
        return await self.wire.read(
            "finished",
            symbol,
            lambda: self._exchange.finished_orders(ACCOUNT, pair_of(symbol), since_ms),
            listing=True,
        )

    async def _stops(self, symbol: str) -> list[Stop]:
        pair = pair_of(symbol)

        def ask() -> list[Stop]:
            waiting = self._exchange.stops(ACCOUNT, pair)
            return [*waiting, *self._exchange.stops(ACCOUNT, pair, waiting=False)]

        return await self.wire.read("stops", symbol, ask, listing=True)

    def _is_of(self, stop: Stop, intent: Intent, rules: Instrument | None) -> bool:
        """Recognize a stop whose answer was lost by what it says; no other intent may claim it."""
        step = ZERO if rules is None else rules.amount_step
        late_ms = stop.created_ms - (intent.sent_ms or intent.created_ms)
        return (
            stop.request.trigger == intent.trigger
            and abs(stop.request.amount - (intent.quantity or ZERO)) <= step
            and -BEFORE_MS <= late_ms <= AFTER_MS
            and self._owners.get(stop.stop_id, intent.client_id) == intent.client_id
        )
