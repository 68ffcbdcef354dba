"""Stops resting at Gate: how they stand, and which of them belongs to an intent."""

from __future__ import annotations

import attrs

from cab_broker_ccxt.amounts import ZERO, floored, maybe, millis
from cab_broker_ccxt.listings import Listings
from cab_broker_ccxt.memory import BEFORE_MS, Memory, journaled_ms
from cab_broker_ccxt.order_rows import Row, ack_of, fired_order, id_of, stop_ended, stop_waits
from cab_broker_ccxt.rules import Rules, pair_of
from cab_core.sdk import Ack, Instrument, Intent

#: When one that ended without an order was made, in milliseconds from the journaled send: the stop before it
#: may have said the same and ended the same way.
ENDED_MS = (-5_000, 65_000)


@attrs.frozen(eq=False)
class Stops:
    """Gate keeps no client id of a stop: it is known by its id, or recognized by what it says."""

    listings: Listings
    rules: Rules
    memory: Memory

    async def ack(self, row: Row, intent: Intent) -> Ack:
        """Return how a stop stands, the order it has become included. Raises `VenueError`."""
        order_id, fired = id_of(row), fired_order(row)
        if stop_waits(row):
            return Ack(order_id, final=False)
        if fired is None:
            return Ack(order_id, final=True, filled=ZERO, ended=stop_ended(row))
        self.memory.inherit(order_id, fired)
        child = ack_of(await self.listings.order(intent.symbol, fired))
        server = self.listings.api.server
        fired_ms = server.to_bot(millis(row, "ftime") or server.now_ms())
        return attrs.evolve(child, order_id=order_id, fired_ms=fired_ms)

    async def find(self, intent: Intent) -> Row | None:
        """Look for the stop of an intent whose id is not known; no other known intent may claim it.

        Raises:
            VenueError: the listing is not complete.
        """
        rules = await self.rules.of(intent.symbol)
        if rules is None:
            return None
        since_ms = journaled_ms(intent) - BEFORE_MS
        for row in await self.listings.stops(intent.symbol, since_ms):
            if self._is_of(row, intent, rules):
                self.memory.learn(intent.client_id, id_of(row))
                return row
        return None

    def _is_of(self, row: Row, intent: Intent, rules: Instrument) -> bool:
        put, trigger = row.get("put") or {}, row.get("trigger") or {}
        if intent.trigger is None or intent.quantity is None:
            return False
        return (
            row.get("market") == pair_of(intent.symbol)
            and put.get("side") == intent.side.value
            and maybe(trigger.get("price")) == floored(intent.trigger, rules.price_tick)
            and maybe(put.get("amount")) == floored(intent.quantity, rules.amount_step)
            and self._may_be_made_for(row, intent)
            and self.memory.owners.get(id_of(row), intent.client_id) == intent.client_id
        )

    def _may_be_made_for(self, row: Row, intent: Intent) -> bool:
        """Say whether the time of a stop fits: roughly, as a clock may have been set since it was sent."""
        made_ms = self.listings.api.server.to_bot(millis(row, "ctime")) - journaled_ms(intent)
        if stop_waits(row) or fired_order(row) is not None:
            return abs(made_ms) <= BEFORE_MS
        return ENDED_MS[0] <= made_ms <= ENDED_MS[1]
