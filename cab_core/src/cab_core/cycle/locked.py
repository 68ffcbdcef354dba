"""Who locks the coins that an exit cannot have."""

from __future__ import annotations

from cab_core.contracts import Broker
from cab_core.cycle.asking import asked
from cab_core.cycle.standing import Standings
from cab_core.domain import figures
from cab_core.domain.comparison import belongs
from cab_core.domain.figures import quantity
from cab_core.domain.orders import Side, VenueOrder
from cab_core.errors import CabError


async def locked_by(broker: Broker, symbol: str, standings: Standings, now_ms: int) -> str:
    """Name the open sells of the symbol that are not the bot's; empty if there are none, or none is told."""
    try:
        orders = await asked(broker.orders(symbol, now_ms), "orders")
    except CabError:
        return ""
    ours = [standing.intent for standing in standings.of(symbol)]
    locking = [o for o in orders if o.open and o.side is Side.SELL and not belongs(o, ours)]
    named = ", ".join(_described(order) for order in locking)
    return f"the coins are locked by {named}: cancel that at the exchange" if named else ""


def _described(order: VenueOrder) -> str:
    amount = "" if order.quantity is None else f" of {quantity(order.quantity)}"
    price = order.limit or order.trigger
    kind = "stop" if order.stop else "order"
    return f"{kind} {order.order_id}{amount}{'' if price is None else f' at {figures.price(price)}'}"
