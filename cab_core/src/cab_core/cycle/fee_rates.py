"""Prices of fees that were taken in a third currency."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from cab_core.contracts import Broker
from cab_core.cycle.asking import asked
from cab_core.domain.orders import Fill
from cab_core.errors import CabError


async def fee_rates(broker: Broker, trade: Fill) -> Mapping[str, Decimal]:
    """Return quote per unit of a trade's third fee currencies, as far as the venue tells them now."""
    base, _, quote = trade.symbol.partition("/")
    rates: dict[str, Decimal] = {}
    for currency in {taken for taken, amount in trade.fees if amount} - {base, quote}:
        try:
            price = (await asked(broker.quote(f"{currency}/{quote}"), "quote")).mid
        except CabError:
            continue
        if price is not None:
            rates[currency] = price
    return rates
