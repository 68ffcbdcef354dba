"""The stop that should rest at the exchange for a position, and when the one that does must be replaced."""

from __future__ import annotations

from decimal import Decimal

import attrs

from cab_core.domain.exits import STOP_PURPOSES, Protection, StopKind
from cab_core.domain.market import Instrument
from cab_core.domain.money import ONE, ceil_step, floor_step
from cab_core.domain.orders import Intent, Purpose
from cab_core.domain.sellable import sellable

#: A resting stop follows once the wanted one has risen by this fraction.
LEAST_RISE = Decimal("0.001")


@attrs.frozen(slots=True)
class DesiredStop:
    """A stop-limit sell. Quantity in base, prices in quote per base, all in the exchange's steps."""

    quantity: Decimal
    trigger: Decimal
    limit: Decimal
    kind: StopKind

    @property
    def purpose(self) -> Purpose:
        """What it is for, as part of its intent key."""
        return STOP_PURPOSES[self.kind]


def desired_stop(p: Protection, instrument: Instrument, offset: Decimal) -> DesiredStop | None:
    """Return the stop for the whole sellable quantity, None where it is too small to rest.

    Args:
        p: the protection of the position.
        instrument: steps and minimums.
        offset: how far the limit lies below the trigger, as a fraction.
    """
    rounded = floor_step if p.kind == "stop_loss" else ceil_step
    trigger = rounded(p.stop, instrument.price_tick)
    limit = floor_step(trigger * (ONE - offset), instrument.price_tick)
    quantity = sellable(p.quantity, limit, instrument)
    return DesiredStop(quantity, trigger, limit, p.kind) if quantity and limit > 0 else None


def replace_reason(resting: Intent, desired: DesiredStop, now_ms: int, max_ttl_s: int | None) -> str | None:
    """Say why the resting stop must make way for the desired one, None if it may stay.

    Args:
        resting: the stop order that rests.
        desired: the stop that should.
        now_ms: now, on the bot's clock.
        max_ttl_s: longest life of a resting stop in seconds; it is renewed at half of that.
    """
    if resting.quantity != desired.quantity:
        return "quantity"
    if resting.trigger is None or desired.trigger >= resting.trigger * (ONE + LEAST_RISE):
        return "raised"
    born_ms = resting.sent_ms or resting.created_ms
    if max_ttl_s is not None and now_ms - born_ms >= 500 * max_ttl_s:
        return "expiring"
    return None
