"""Own orders and own trades as our values."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from cab_broker_ccxt.amounts import millis
from cab_broker_ccxt.api import Api
from cab_broker_ccxt.config import Config
from cab_broker_ccxt.listings import Listings
from cab_broker_ccxt.memory import BEFORE_MS, Memory, is_stop, journaled_ms
from cab_broker_ccxt.order_rows import (
    Row,
    fill_of,
    fired_order,
    id_of,
    stop_waits,
    text_of,
    venue_order,
    venue_stop,
)
from cab_core.sdk import Fill, Intent, VenueOrder


@attrs.frozen(eq=False)
class Own:
    """What the account did and has resting, whoever ordered it."""

    api: Api
    listings: Listings
    memory: Memory
    config: Config

    async def orders(self, symbol: str, since_ms: int) -> Sequence[VenueOrder]:
        """Return open orders and waiting stops, and those that ended since ``since_ms``.

        An order that a stop has become is shown as part of its stop.
        """
        await self.api.sync()
        opened = await self.listings.open_orders(symbol)
        ended = await self.listings.finished_orders(symbol, since_ms)
        plain = {id_of(row): row for row in (*opened, *ended)}
        stops = await self.listings.stops(symbol, since_ms - self.config.stop_ttl_s * 1000)
        found = []
        for row in stops:
            child = plain.pop(fired_order(row) or "", None)
            if stop_waits(row) or child is not None or self._ended_ms(row) >= since_ms:
                found.append(self._stop(row, child, symbol))
        offset_ms = self.api.server.offset_ms
        return [*(venue_order(row, symbol, offset_ms) for row in plain.values()), *found]

    async def fills_of(self, intent: Intent) -> Sequence[Fill]:
        """Return the own trades of one attempt, oldest first; those of its order if a stop has fired."""
        await self.api.sync()
        since_ms = journaled_ms(intent) - BEFORE_MS
        order_id = self.memory.order_id(intent)
        if is_stop(intent):
            if order_id is None:
                return []
            fired = fired_order(await self.listings.stop(order_id))
            if fired is None:
                return []
            self.memory.inherit(order_id, fired)
            order_id = fired
        rows = [] if order_id is None else await self.listings.trades(intent.symbol, since_ms, order_id)
        if not rows and not is_stop(intent):
            rows = await self.listings.trades(intent.symbol, since_ms)
            rows = [row for row in rows if text_of(row) == intent.client_id]
        offset_ms = self.api.server.offset_ms
        fills = [fill_of(row, intent.symbol, intent.client_id, offset_ms) for row in rows]
        return [attrs.evolve(fill, reference=intent.reference) for fill in fills]

    async def fills_since(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        """Return own trades at or after ``since_ms``, oldest first; foreign ones have no client id."""
        await self.api.sync()
        offset_ms = self.api.server.offset_ms
        rows = await self.listings.trades(symbol, since_ms)
        fills = [fill_of(row, symbol, self._client_id(row), offset_ms) for row in rows]
        return [fill for fill in fills if fill.ts_ms >= since_ms]

    def _client_id(self, trade: Row) -> str:
        return self.memory.owners.get(str(trade.get("order_id")), text_of(trade))

    def _stop(self, row: Row, child: Row | None, symbol: str) -> VenueOrder:
        client_id = self.memory.owners.get(id_of(row), "")
        if child is not None:
            self.memory.inherit(id_of(row), id_of(child))
        return venue_stop(row, child, symbol, client_id, self.api.server.offset_ms)

    def _ended_ms(self, row: Row) -> int:
        return self.api.server.to_bot(millis(row, "ftime"))
