"""How much quote currency an entry spends (spec 8.4)."""

from __future__ import annotations

from decimal import Decimal

import attrs

from cab_core.domain.market import Instrument
from cab_core.domain.money import floor_step

#: An entry must be worth this many times the minimum, so that its rest can be sold after a fall and fees.
MIN_NOTIONAL_MARGIN = Decimal("1.05")


@attrs.frozen(slots=True)
class Sized:
    """The amount of an entry in quote currency, and why it must not be bought, if so."""

    amount: Decimal
    reason: str | None = None


def size_entry(
    fixed_amount: Decimal,
    regime_multiplier: Decimal,
    factor: Decimal,
    instrument: Instrument,
    free_quote: Decimal,
    fee: Decimal,
) -> Sized:
    """Size an entry: ``fixed_amount * regime_multiplier * factor``, rounded down to the cost step.

    Args:
        fixed_amount: full size in quote currency.
        regime_multiplier: 1 for risk_on, 0.5 for risk_small.
        factor: the least soft factor of the risk rules, in [0, 1].
        instrument: cost step and minimum of the symbol.
        free_quote: quote currency at hand.
        fee: taker fee as a fraction; it must be payable on top.

    Returns:
        The amount, with reason ``below_min_notional``, ``insufficient_funds`` or None.
    """
    amount = floor_step(fixed_amount * regime_multiplier * factor, instrument.cost_step)
    if amount <= 0 or amount < MIN_NOTIONAL_MARGIN * instrument.min_notional:
        return Sized(amount, "below_min_notional")
    if free_quote < amount * (1 + fee):
        return Sized(amount, "insufficient_funds")
    return Sized(amount)
