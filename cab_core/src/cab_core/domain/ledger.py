"""The FIFO ledger: lots per symbol, realized PnL of every sell after all fees (spec 13.1).

Nothing is rounded here; all amounts are exact in the money context (28 digits).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

import attrs

from cab_core.domain.money import ZERO


class Lot(NamedTuple):
    """Base bought at one time that is still held, and what it cost in quote including fees."""

    quantity: Decimal
    cost: Decimal


class Fee(NamedTuple):
    """The fees of one fill, by what it does to the ledger.

    Attributes:
        base: base taken in addition to the traded quantity.
        quote: quote value of what was taken in quote or in third currencies.
        unpriced: a fee's currency has no known rate; it is counted as 0.
    """

    base: Decimal = ZERO
    quote: Decimal = ZERO
    unpriced: bool = False


@attrs.frozen(slots=True)
class Sale:
    """What a sell did to the ledger, in quote.

    Attributes:
        proceeds: received for the matched part, after fees.
        basis: cost of the lots it consumed. ``realized`` is proceeds minus basis.
        unmatched: base sold although it was not held; excluded pro rata, to be alerted.
    """

    realized: Decimal
    basis: Decimal
    proceeds: Decimal
    unmatched: Decimal


def split_fees(
    fees: Iterable[tuple[str, Decimal]], base: str, quote: str, rates: Mapping[str, Decimal]
) -> Fee:
    """Sort the reported fees of a fill by what they do.

    Args:
        fees: each as (currency, amount).
        base: base currency of the symbol.
        quote: quote currency of the symbol.
        rates: quote per unit of third currencies at fill time, as far as they are known.
    """
    in_base, in_quote, unpriced = ZERO, ZERO, False
    for currency, amount in fees:
        if currency == quote:
            in_quote += amount
        elif currency == base:
            in_base += amount
        elif currency in rates:
            in_quote += amount * rates[currency]
        else:
            unpriced = unpriced or bool(amount)
    return Fee(in_base, in_quote, unpriced)


class Ledger:
    """Lots of every symbol in the order of their fills."""

    __slots__ = ("_lots",)

    def __init__(self) -> None:
        self._lots: dict[str, deque[Lot]] = {}

    def buy(self, symbol: str, quantity: Decimal, price: Decimal, fee: Fee) -> Lot:
        """Add a lot and return it. A fee in base makes it smaller, any other makes it dearer."""
        lot = Lot(quantity - fee.base, quantity * price + fee.quote)
        self._lots.setdefault(symbol, deque()).append(lot)
        return lot

    def sell(self, symbol: str, quantity: Decimal, price: Decimal, fee: Fee) -> Sale:
        """Consume the oldest lots for a sell of ``quantity`` base and return what it realized."""
        needed = quantity + fee.base
        left = needed
        basis = ZERO
        lots = self._lots.setdefault(symbol, deque())
        while left and lots:
            lot = lots[0]
            if lot.quantity <= left:
                lots.popleft()
                basis += lot.cost
                left -= lot.quantity
            else:
                part = lot.cost * left / lot.quantity
                lots[0] = Lot(lot.quantity - left, lot.cost - part)
                basis += part
                left = ZERO
        proceeds = quantity * price - fee.quote
        if left:
            proceeds = proceeds * (needed - left) / needed
        return Sale(proceeds - basis, basis, proceeds, left)

    def write_off(self, symbol: str) -> Lot:
        """Give up everything held of the symbol and return its quantity and cost."""
        lost = self.held(symbol)
        self._lots.pop(symbol, None)
        return lost

    def held(self, symbol: str) -> Lot:
        """Return quantity and cost of all lots of the symbol together."""
        lots = self._lots.get(symbol)
        if not lots:
            return Lot(ZERO, ZERO)
        if len(lots) == 1:
            return lots[0]
        return Lot(sum((lot.quantity for lot in lots), ZERO), sum((lot.cost for lot in lots), ZERO))

    def lots(self, symbol: str) -> tuple[Lot, ...]:
        """Return the lots of the symbol, oldest first."""
        return tuple(self._lots.get(symbol, ()))

    def symbols(self) -> list[str]:
        """Return the symbols of which something is held."""
        return [symbol for symbol, lots in self._lots.items() if lots]

    def restore(self, symbol: str, lots: Iterable[Lot]) -> None:
        """Replace the lots of the symbol by those of a saved state."""
        self._lots[symbol] = deque(lots)
