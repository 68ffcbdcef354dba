"""What becomes of orders, told to whoever wants to know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cab_core.cycle.trader import Planned
from cab_core.domain.booking import Applied, LeftDust
from cab_core.domain.orders import Fill, Intent, OrderState


class OrderEvents(Protocol):
    """Told what becomes of orders, after it is durable."""

    def changed(self, intent: Intent, to: OrderState, message: str) -> None:
        """An attempt went to another state."""

    def settled(self, planned: Planned, fills: Sequence[Fill], *, ended: bool) -> None:
        """Own trades were booked; ``ended`` if all of the order is."""

    def stuck(self, intent: Intent, text: str) -> None:
        """An order needs a person."""

    def dust(self, left: LeftDust, trace_id: str, *, refused: bool) -> None:
        """What is left of a position cannot be sold; ``refused``: an order to sell it was refused."""

    def booked(self, fill: Fill, applied: Applied, trace_id: str) -> None:
        """A trade entered the book, and what it did there."""

    def overdue(self, intent: Intent, age_s: int) -> None:
        """A market order did not end in time and is being canceled."""


class NoEvents:
    """Nobody listens."""

    def changed(self, intent: Intent, to: OrderState, message: str) -> None:
        """Do nothing."""

    def settled(self, planned: Planned, fills: Sequence[Fill], *, ended: bool) -> None:
        """Do nothing."""

    def stuck(self, intent: Intent, text: str) -> None:
        """Do nothing."""

    def dust(self, left: LeftDust, trace_id: str, *, refused: bool) -> None:
        """Do nothing."""

    def booked(self, fill: Fill, applied: Applied, trace_id: str) -> None:
        """Do nothing."""

    def overdue(self, intent: Intent, age_s: int) -> None:
        """Do nothing."""
