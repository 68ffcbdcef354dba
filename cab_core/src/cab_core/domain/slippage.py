"""Slippage in percent: expected before a market buy, realized after any fill (spec 8.5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from cab_core.domain.market import Quote
from cab_core.domain.money import HUNDRED, ONE, ZERO

#: What cannot be estimated, for want of prices or of depth, counts as above every cap.
UNBOUNDED = Decimal("Infinity")


def expected_slippage_pct(
    quote: Quote, size: Decimal, asks: Sequence[tuple[Decimal, Decimal]] | None = None
) -> Decimal:
    """Return how far above the mid a market buy would fill: ``100*(average ask/mid - 1)``.

    Args:
        quote: best bid and ask now.
        size: what the buy spends, in quote currency.
        asks: price and amount (base) of the book's asks, best first; None if there is no book, then the
            average ask is the best ask.

    Returns:
        Percent, `UNBOUNDED` without bid and ask or if the book is too thin for ``size``.
    """
    mid = quote.mid
    if mid is None or mid <= 0 or quote.ask is None:
        return UNBOUNDED
    average = quote.ask if asks is None else average_ask(asks, size)
    return UNBOUNDED if average is None else HUNDRED * (average / mid - ONE)


def average_ask(asks: Iterable[tuple[Decimal, Decimal]], size: Decimal) -> Decimal | None:
    """Return the volume-weighted price of the asks that ``size`` quote consumes, None if they are too few."""
    left, bought = size, ZERO
    for price, amount in asks:
        if price <= 0:
            return None
        taken = min(left, price * amount)
        bought += taken / price
        left -= taken
        if left <= 0:
            return size / bought if bought else price
    return None


def average_price(fills: Iterable[tuple[Decimal, Decimal]]) -> Decimal | None:
    """Return the volume-weighted price of (price, quantity) pairs, None if nothing was filled."""
    value = quantity = ZERO
    for price, amount in fills:
        value += price * amount
        quantity += amount
    return value / quantity if quantity else None


def realized_slippage_pct(average_fill: Decimal, reference: Decimal) -> Decimal:
    """Return ``100*|average_fill/reference - 1|``.

    Args:
        average_fill: volume-weighted price of the fills.
        reference: mid at the decision for market orders, the stop price for stops; > 0.
    """
    return HUNDRED * abs(average_fill / reference - ONE)
