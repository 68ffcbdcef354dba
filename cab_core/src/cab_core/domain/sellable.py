"""What can be sold at all: the one arithmetic behind entries, take profits, resting stops and dust."""

from __future__ import annotations

from decimal import Decimal

from cab_core.domain.market import Instrument
from cab_core.domain.money import ONE, ZERO, floor_step


def sellable(quantity: Decimal, price: Decimal, instrument: Instrument, *, margin: Decimal = ONE) -> Decimal:
    """Return the part of ``quantity`` that one order at ``price`` can sell; 0 where it is too small.

    Args:
        quantity: base held.
        price: quote per base; the bid, or the limit of a resting order.
        instrument: amount step, least amount and least notional.
        margin: how many times the least notional it must be worth.
    """
    floored = floor_step(quantity, instrument.amount_step)
    if not floored or floored < instrument.min_amount:
        return ZERO
    return ZERO if floored * price < margin * instrument.min_notional else floored
