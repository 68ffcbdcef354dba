"""The intent of a stop that rests at the venue."""

from __future__ import annotations

from cab_core.cycle.trader import Planned
from cab_core.domain.booking import AppliedTo
from cab_core.domain.orders import Intent, OrderType, Side, intent_key
from cab_core.domain.position import Position
from cab_core.domain.resting import DesiredStop


def planned_stop(position: Position, stop: DesiredStop, trace_id: str, now_ms: int) -> Planned:
    """Return the intent of a stop with what its fills belong to."""
    # One key per level and quantity: placing the same stop again is the next attempt of its key.
    ref = f"{position.id}@{stop.trigger:f}x{stop.quantity:f}"
    intent = Intent(
        intent_key(position.symbol, Side.SELL, stop.purpose, ref),
        position.symbol,
        Side.SELL,
        stop.purpose,
        stop.kind,
        trace_id,
        now_ms,
        type=OrderType.STOP_LIMIT,
        quantity=stop.quantity,
        reference=stop.trigger,
        trigger=stop.trigger,
        limit=stop.limit,
    )
    return Planned(intent, AppliedTo(stop.purpose, stop.kind, trace_id))
