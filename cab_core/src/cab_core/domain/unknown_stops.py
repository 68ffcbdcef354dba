"""Stops that wait at the venue and that no record of the bot knows: which of them are its own. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal

import attrs

from cab_core.domain.comparison import belongs, tolerance
from cab_core.domain.market import Instrument
from cab_core.domain.money import ONE, ZERO, floor_step
from cab_core.domain.orders import Intent, Side, VenueOrder

#: By how much the clocks of bot and venue may differ where a stop is older than what it guards.
SLACK_MS = 5_000


@attrs.frozen(slots=True, kw_only=True)
class Signature:
    """What a stop of this bot for a position looks like.

    Attributes:
        amounts: base that a stop of it may sell: what is held, and what was held before.
        opened_ms: when the position was opened.
        offset: how far the limit lies below the trigger by today's settings, as a fraction.
        unmanaged: base at the venue that is not the bot's; None while balances may lag behind trades.
    """

    instrument: Instrument
    amounts: Collection[Decimal]
    opened_ms: int
    offset: Decimal
    unmanaged: Decimal | None

    def is_own(self, order: VenueOrder) -> bool:
        """Say whether the bot must have placed the stop.

        The figures are those of its own, and either the limit is that of today's settings or nobody else
        has the coins to sell.
        """
        return self._fits(order) and (order.limit == self._limit(order) or self._sells_managed(order))

    def is_doubtful(self, order: VenueOrder) -> bool:
        """Say whether no stop may be placed beside this one before a person has looked at it.

        It may be the bot's, placed under other settings, or it would sell what the bot holds.
        """
        return self._fits(order) or self._sells_managed(order)

    def _fits(self, order: VenueOrder) -> bool:
        """Say whether pair, amount, prices and time are those of a stop of this bot."""
        if order.trigger is None or order.limit is None:
            return False
        steps = {floor_step(amount, self.instrument.amount_step) for amount in self.amounts} - {ZERO}
        return (
            order.symbol == self.instrument.symbol
            and order.quantity in steps
            and order.limit <= order.trigger
            and order.created_ms >= self.opened_ms - SLACK_MS
        )

    def _limit(self, order: VenueOrder) -> Decimal:
        return floor_step((order.trigger or ZERO) * (ONE - self.offset), self.instrument.price_tick)

    def _sells_managed(self, order: VenueOrder) -> bool:
        """Say whether the stop would sell more than what is not the bot's."""
        if self.unmanaged is None or order.quantity is None:
            return False
        return order.quantity > self.unmanaged + tolerance(max(self.amounts), self.instrument)


def unknown_stops(
    orders: Sequence[VenueOrder], known: Collection[str], intents: Sequence[Intent]
) -> list[VenueOrder]:
    """Return the waiting sell stops without a client id that are in no record, oldest first.

    Args:
        orders: what the venue lists of the symbol.
        known: those of its order ids that are in the journal.
        intents: attempts that have not ended; a stop whose answer was lost is one of them.
    """
    found = [
        order
        for order in orders
        if order.stop
        and order.open
        and order.side is Side.SELL
        and not order.client_id
        and order.order_id not in known
        and not belongs(order, intents)
    ]
    return sorted(found, key=lambda order: (order.created_ms, len(order.order_id), order.order_id))
