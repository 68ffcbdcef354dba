"""Who closed a position by hand, and why: what the journal noted before the order was sent."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cab_core.app.desk.commands import Command
from cab_core.domain.orders import Side
from cab_core.ports import Note
from cab_core.storage import Connection, load_fills
from cab_core.storage.intents import find_intent
from cab_core.storage.pages import noted

_KIND = "position.close"


def close_note(command: Command, symbol: str, quantity: Decimal) -> Note:
    """Return what the journal keeps of an order to close a position."""
    actor = command.actor
    said = {"by": actor.name, "surface": actor.surface, "why": command.reason, "quantity": f"{quantity:f}"}
    return Note(_KIND, symbol, said)


def by_hand(conn: Connection, trace_id: str) -> dict[str, str]:
    """Return by symbol who closed its position with this command, and why, for people."""
    return {row.ref: _words(row.facts) for row in noted(conn, _KIND, trace_id)}


def sold_by_hand(conn: Connection, symbol: str, ts_ms: int) -> str | None:
    """Return the same of whoever ordered what was sold at an instant; None if the bot did by itself."""
    fills = load_fills(conn, symbol=symbol, since_ms=ts_ms, until_ms=ts_ms)
    orders = [find_intent(conn, fill.client_id) for fill in fills if fill.side is Side.SELL]
    found = (by_hand(conn, each.intent.trace_id).get(symbol) for each in orders if each is not None)
    return next((said for said in found if said is not None), None)


def _words(said: Mapping[str, Any]) -> str:
    why = f": {said['why']}" if said["why"] else ", without a reason"
    return f"closed by hand by {said['by']}{why}"
