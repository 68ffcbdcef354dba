"""How much quote currency an entry spends (spec 8.4)."""

from __future__ import annotations

from decimal import Decimal

import attrs

from cab_core.domain.exit_rules import ExitRules
from cab_core.domain.exits import protect
from cab_core.domain.market import Instrument
from cab_core.domain.money import ONE, floor_step
from cab_core.domain.resting import desired_stop

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


def unsellable(
    amount: Decimal, price: Decimal, instrument: Instrument, rules: ExitRules, stop_offset: Decimal
) -> str | None:
    """Say why an entry must not be bought: what it brings in could not be sold again at its stop.

    Args:
        amount: quote to spend.
        price: what it will about fill at, slippage included.
        instrument: steps and minimums of the symbol.
        rules: distance of the stop and the fee, which is taken in base.
        stop_offset: how far the limit of the stop lies below its trigger, as a fraction.

    Returns:
        ``below_amount_step`` where less than a step or the least amount is left after the fee,
        ``below_min_notional`` where it is worth too little at its stop, None where it can be sold.
    """
    held = floor_step(amount / price, instrument.amount_step) * (ONE - rules.fee)
    quantity = floor_step(held, instrument.amount_step)
    if not quantity or quantity < instrument.min_amount:
        return "below_amount_step"
    stop = desired_stop(protect(price, held, amount, rules), instrument, stop_offset)
    return "below_min_notional" if stop is None else None
