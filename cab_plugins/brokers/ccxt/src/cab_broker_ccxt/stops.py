"""Stops resting at Gate: how they stand, and which of them belongs to an intent."""

from __future__ import annotations

import attrs

from cab_broker_ccxt.amounts import ZERO, floored, maybe, millis
from cab_broker_ccxt.listings import Listings
from cab_broker_ccxt.memory import Memory, journaled_ms
from cab_broker_ccxt.order_rows import Row, ack_of, fired_order, id_of, stop_ended, stop_waits
from cab_broker_ccxt.rules import Rules, pair_of
from cab_core.sdk import Ack, Instrument, Intent

#: How far a stop's creation may lie from the journaled send, milliseconds before and after.
BEFORE_MS, AFTER_MS = 5_000, 65_000


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
        made_ms = self.listings.api.server.to_bot(millis(row, "ctime")) - journaled_ms(intent)
        return (
            row.get("market") == pair_of(intent.symbol)
            and put.get("side") == intent.side.value
            and maybe(trigger.get("price")) == floored(intent.trigger, rules.price_tick)
            and maybe(put.get("amount")) == floored(intent.quantity, rules.amount_step)
            and -BEFORE_MS <= made_ms <= AFTER_MS
            and self.memory.owners.get(id_of(row), intent.client_id) == intent.client_id
        )
