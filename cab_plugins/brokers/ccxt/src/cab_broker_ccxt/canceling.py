"""Canceling what rests, by the venue's id alone."""

from __future__ import annotations

import attrs

from cab_broker_ccxt.api import Api
from cab_broker_ccxt.errors import VenueError
from cab_broker_ccxt.labels import GONE, NOT_FOUND
from cab_broker_ccxt.listings import Listings
from cab_broker_ccxt.memory import Memory, is_stop
from cab_broker_ccxt.order_rows import Row, ack_of, fired_order, id_of, stop_waits, text_of
from cab_broker_ccxt.reply import Reply, failed_send
from cab_broker_ccxt.stops import Stops
from cab_core.sdk import Ack, Intent, Outcome, Rejected, Unknown


@attrs.frozen(eq=False)
class Canceling:
    """Cancels, then looks: `Ack` only after the venue showed that nothing rests, with what was filled.

    ccxt's cancel by client id sends an empty order id to Gate, which may be read as "cancel all".
    """

    api: Api
    listings: Listings
    stops: Stops
    memory: Memory

    async def cancel(self, intent: Intent) -> Outcome:
        """Cancel the order of an intent. See `cab_core.sdk.Broker.cancel`."""
        self.api.require_keys()
        try:
            await self.api.sync()
            known = intent.order_id or self.memory.order_ids.get(intent.client_id)
            order_id = known or await self._open_id(intent)
            if order_id is None:
                return Rejected("not_open", f"no order of {intent.client_id} is open")
            if is_stop(intent):
                return await self._cancel_stop(intent, order_id)
            return await self._cancel_order(intent.symbol, order_id)
        except VenueError as error:
            return Unknown(str(error))

    async def _open_id(self, intent: Intent) -> str | None:
        if is_stop(intent):
            row: Row | None = await self.stops.find(intent)
        else:
            rows = await self.listings.open_orders(intent.symbol)
            row = next((row for row in rows if text_of(row) == intent.client_id), None)
        return None if row is None else id_of(row)

    async def _cancel_order(self, symbol: str, order_id: str) -> Outcome:
        params = {**self.listings.common(symbol), "order_id": order_id}
        reply = await self.api.delete("privateSpotDeleteOrdersOrderId", params)
        if not _judged(reply):
            return failed_send(reply)
        ack = ack_of(await self.listings.order(symbol, order_id))
        if not ack.final:
            return Unknown(f"order {order_id} is still open")
        return ack if reply.answered else Rejected("not_open", reply.text())

    async def _cancel_stop(self, intent: Intent, order_id: str) -> Outcome:
        """Cancel a stop; if it has fired meanwhile, the order it has become."""
        reply = await self.api.delete("privateSpotDeletePriceOrdersOrderId", {"order_id": order_id})
        if not _judged(reply):
            return failed_send(reply)
        row = await self.listings.stop(order_id)
        fired = fired_order(row)
        if stop_waits(row):
            return Unknown(f"stop {order_id} still waits")
        if fired is not None:
            outcome = await self._cancel_order(intent.symbol, fired)
            return await self.stops.ack(row, intent) if isinstance(outcome, Ack) else outcome
        return await self.stops.ack(row, intent) if reply.answered else Rejected("not_open", reply.text())


def _judged(reply: Reply) -> bool:
    """Say whether the venue canceled it or says that there is nothing to cancel; both are looked at again."""
    return reply.answered or (reply.refused and reply.label in GONE | NOT_FOUND)
