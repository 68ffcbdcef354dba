"""What the checks of a broker compare."""

from __future__ import annotations

from decimal import Decimal

from cab_core.sdk import Broker, BrokerCaps, Fill


def provable(caps: BrokerCaps) -> bool:
    """Say whether the venue can prove that it never took an order: it expires, or is found by client id."""
    return caps.absence == "expiry" or caps.client_id_lookup == "always"


def paid(fill: Fill) -> Decimal:
    """Return the quote currency a buy took, with what was taken of it as a fee."""
    return fill.value + fill.fee_in("USDT")


async def held(broker: Broker) -> dict[str, Decimal]:
    """Return what is held by currency, free and locked."""
    return {currency: balance.total for currency, balance in (await broker.balances()).items()}
