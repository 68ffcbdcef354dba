"""What is left of a position and cannot be sold: written down, told of, never taken from a venue's word."""

from __future__ import annotations

from cab_core.cycle.settlement import Settlement
from cab_core.domain.orders import Intent


async def refused_as_small(settlement: Settlement, intent: Intent, message: str) -> None:
    """Judge an exit that the venue refused as too small.

    What it was to sell becomes dust if it is too small by the rules and the bid the bot itself knows; it
    stays in the equity at that bid. Anything else is no dust: a person is told, and the exit is tried again.
    """
    trader = settlement.trader
    if trader.leave_small(intent.symbol, settlement.clock.now_ms()):
        await settlement.write_dust(intent.trace_id, refused=True)
    elif intent.symbol in trader.book.positions:
        what = f"the venue calls it too small ({message})"
        settlement.events.stuck(intent, f"{what}, which it is not by its known rules; it is tried again")
