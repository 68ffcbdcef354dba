"""How a fill enters the book: what it belongs to, what it did, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs

from cab_core.domain.exit_rules import ExitRules
from cab_core.domain.exits import Protection
from cab_core.domain.money import ZERO
from cab_core.domain.orders import Fill, Purpose
from cab_core.domain.risk import RoundTrip


@attrs.frozen(slots=True)
class AppliedTo:
    """What a fill belongs to: the order's purpose and the context that only its maker knows.

    Attributes:
        purpose: of the order. ``reason``: its entry or exit reason.
        trace_id: entries: the cycle that decided.
        rules: entries: the exit rules, which become the protection. First take profits: lets the book find
            the following protection itself where ``protection`` was lost in a crash.
        votes: entries: strategies that voted for it.
        protection: exits: the protection decided along with the sale.
        fee_rates: quote per unit of third fee currencies at fill time, as far as they are known.
        final: no more fills of this order will come; only then is a small rest dust.
    """

    purpose: Purpose
    reason: str = ""
    trace_id: str = ""
    rules: ExitRules | None = None
    votes: tuple[str, ...] = ()
    protection: Protection | None = None
    fee_rates: Mapping[str, Decimal] = attrs.Factory(dict)
    final: bool = True


@attrs.frozen(slots=True)
class LeftDust:
    """What is left of a position that was closed because no order can sell it: it stays in the ledger.

    Attributes:
        quantity: base. ``cost``: quote its lots cost. ``value``: quote at the bid when it was left.
        sold: something of the position had been sold before.
    """

    symbol: str
    ts_ms: int
    quantity: Decimal
    cost: Decimal
    value: Decimal
    sold: bool

    @property
    def loss(self) -> Decimal:
        """Cost less value, in quote: what it has lost so far, unrealized; negative for a gain."""
        return self.cost - self.value


@attrs.frozen(slots=True)
class Applied:
    """What a fill did.

    Attributes:
        realized: net PnL of a sell in quote, None for buys and duplicates.
        closed: the round trip it ended.
        duplicate: the fill was known; nothing changed.
        unmatched: base sold although it was not held; alert.
        fee_unpriced: the currency of a fee has no rate and was counted as 0.
    """

    realized: Decimal | None = None
    closed: RoundTrip | None = None
    duplicate: bool = False
    unmatched: Decimal = ZERO
    fee_unpriced: bool = False


def malformed(fill: Fill) -> str | None:
    """Say why a fill cannot be booked, None if it can: only finite, positive Decimals enter the book."""
    numbers = [("quantity", fill.quantity), ("price", fill.price)]
    for name, number in (*numbers, *(("fee", amount) for _, amount in fill.fees)):
        if not isinstance(number, Decimal) or not number.is_finite():
            return f"{name} of trade {fill.trade_id} is not a finite Decimal: {number!r}"
    if fill.quantity <= 0 or fill.price <= 0:
        return f"trade {fill.trade_id} of {fill.quantity} at {fill.price} is not positive"
    return None


def check(fill: Fill) -> None:
    """Let nothing malformed into the book.

    Raises:
        ValueError: naming the trade and the number.
    """
    if (why := malformed(fill)) is not None:
        raise ValueError(why)
