"""Canceling what rests, by the venue's id alone; believed once the venue shows it."""

from __future__ import annotations

import attrs
from tests.sim.listings import Listings
from tests.sim.reading import GONE, NOT_FOUND, ack_of
from tests.sim.wire import LostError, NotSentError, VenueSaidError, Wire
from tests.sim.world import ACCOUNT

from cab_core.domain.orders import Ack, Intent, Outcome, Rejected, Unknown
from cab_core.errors import CabError
from cab_exchange_sim.engine import pair_of


@attrs.frozen(eq=False)
class Canceling:
    """Cancels, then looks."""

    wire: Wire
    listings: Listings

    async def cancel(self, intent: Intent) -> Outcome:
        """Cancel the order of an intent."""
        try:
            order_id = self.listings.id_of(intent)
            if intent.type == "stop_limit":
                if order_id is None:
                    found = await self.listings.stop_ack(intent, None)
                    order_id = None if found is None else found.order_id
                return Rejected("not_open") if order_id is None else await self._stop(intent, order_id)
            if order_id is None:
                found = await self.listings.by_text(intent)
                order_id = None if found is None else found.order_id
            return Rejected("not_open") if order_id is None else await self._order(intent.symbol, order_id)
        except (CabError, LostError) as error:
            return Unknown(str(error))

    async def _order(self, symbol: str, order_id: str) -> Outcome:
        exchange = self.wire.world.exchange
        canceled = await self._send(order_id, lambda: exchange.cancel(ACCOUNT, order_id, pair_of(symbol)))
        ack = ack_of(await self.listings.order(symbol, order_id))
        if not ack.final:
            return Unknown(f"order {order_id} is still shown as open")
        return ack if canceled else Rejected("not_open")

    async def _stop(self, intent: Intent, stop_id: str) -> Outcome:
        canceled = await self._send(stop_id, lambda: self.wire.world.exchange.cancel_stop(ACCOUNT, stop_id))
        stop = await self.listings.stop(stop_id)
        if stop.status == "open":
            return Unknown(f"stop {stop_id} is still shown as waiting")
        if stop.fired_order_id:
            outcome = await self._order(intent.symbol, stop.fired_order_id)
            if not isinstance(outcome, Ack):
                return outcome
        ack = await self.listings.stop_ack(intent, stop_id)
        return ack if canceled and ack is not None else Rejected("not_open")

    async def _send(self, order_id: str, cancel: object) -> bool:
        """Return whether it was canceled now, False if it had ended before.

        Raises:
            CabError, LostError: nobody knows.
        """
        number = self.wire.count("cancel", order_id)
        try:
            await self.wire.send(f"cancel|{order_id}|{number}", cancel)  # type: ignore[arg-type]  # any answer
        except VenueSaidError as said:
            if said.label in GONE | NOT_FOUND:
                return False
            raise
        except NotSentError as error:
            raise CabError(error.fault) from error
        return True
