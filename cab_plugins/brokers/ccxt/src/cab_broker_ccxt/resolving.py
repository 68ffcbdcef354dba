"""Finding out by observation what became of an order."""

from __future__ import annotations

import attrs

from cab_broker_ccxt.amounts import ZERO, number
from cab_broker_ccxt.api import Api
from cab_broker_ccxt.config import Config
from cab_broker_ccxt.errors import VenueError
from cab_broker_ccxt.labels import NOT_FOUND
from cab_broker_ccxt.listings import Listings
from cab_broker_ccxt.memory import BEFORE_MS, Memory, deadline_ms, is_stop, journaled_ms
from cab_broker_ccxt.order_rows import ack_of, text_of
from cab_broker_ccxt.stops import Stops
from cab_core.sdk import Absent, Ack, Found, Intent, Resolution, Undetermined

#: Least time between the two complete scans that prove an absence, in seconds.
APART_S = 5.0


@attrs.frozen(eq=False)
class Resolving:
    """Looks at complete listings. Silence, a part of a listing and "not found" prove nothing."""

    api: Api
    listings: Listings
    stops: Stops
    memory: Memory
    config: Config

    async def resolve(self, intent: Intent) -> Resolution:
        """Say what is known of an order. See `cab_core.sdk.Broker.resolve`."""
        self.api.require_keys()
        try:
            order_id = self.memory.order_id(intent)
            if order_id is None:
                await self.api.measure()  # an absence is proven by the venue's clock as it is now
                return await self._search(intent)
            await self.api.sync()
            return Found(await self.standing(intent, order_id))
        except VenueError as error:
            return Undetermined(str(error))

    async def standing(self, intent: Intent, order_id: str) -> Ack:
        """Return how a known order stands.

        Raises:
            VenueError: the venue does not answer, or does not know the order and lists it nowhere.
        """
        try:
            if is_stop(intent):
                return await self.stops.ack(await self.listings.stop(order_id), intent)
            return ack_of(await self.listings.order(intent.symbol, order_id))
        except VenueError as error:
            found = await self._found(intent) if error.label in NOT_FOUND else None
            if found is None:
                raise
            return found

    async def _search(self, intent: Intent) -> Resolution:
        begun_ms, begun_s = self.api.server.now_ms(), self.api.clock.monotonic()
        found = await self._found(intent)
        if found is not None:
            self.memory.learn(intent.client_id, found.order_id)
            return Found(found)
        return self._missed(intent, begun_ms, begun_s)

    def _missed(self, intent: Intent, begun_ms: int, begun_s: float) -> Resolution:
        """Judge a complete scan that found nothing, by when it began: the venue's clock, our monotonic one.

        The margin has to pass by both: a clock that tells the time of day proves nothing once it was set.
        """
        client_id = intent.client_id
        expires_ms = self.memory.deadlines.get(client_id, deadline_ms(intent) + self.api.server.offset_ms)
        if begun_ms <= expires_ms:
            return Undetermined("not listed, but it may still arrive")
        margin_s = self.config.absence_margin_s
        waited_s = begun_s - self.memory.since_s.setdefault(client_id, begun_s)
        apart_s = begun_s - self.memory.misses.setdefault(client_id, begun_s)
        late = waited_s > margin_s and begun_ms > expires_ms + margin_s * 1000
        if late and apart_s >= APART_S:
            return Absent()
        return Undetermined("not listed; to be looked for again before it counts as absent")

    async def _found(self, intent: Intent) -> Ack | None:
        """Look for an order or stop in every listing that can show it."""
        if not is_stop(intent):
            return await self._listed(intent)
        row = await self.stops.find(intent)
        return None if row is None else await self.stops.ack(row, intent)

    async def _listed(self, intent: Intent) -> Ack | None:
        """Scan open orders, finished ones, own trades, in this order: what ends meanwhile is not missed."""
        symbol, since_ms = intent.symbol, journaled_ms(intent) - BEFORE_MS
        for rows in (
            await self.listings.open_orders(symbol),
            await self.listings.finished_orders(symbol, since_ms),
        ):
            for row in rows:
                if text_of(row) == intent.client_id:
                    return ack_of(row)
        trades = [r for r in await self.listings.trades(symbol, since_ms) if text_of(r) == intent.client_id]
        if not trades:
            return None
        filled = sum((number(row.get("amount")) for row in trades), ZERO)
        # A market order has ended when it has traded; it is merely not listed yet.
        return Ack(str(trades[0].get("order_id")), final=True, filled=filled)
