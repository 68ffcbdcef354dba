"""What a person has found out about an order whose outcome nothing tells. Pure."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import attrs


class Fate(StrEnum):
    """What became of an order: the venue never took it, or it has traded."""

    ABSENT = "absent"
    FILLED = "filled"


@attrs.frozen(slots=True, kw_only=True)
class Verdict:
    """A person's word on one order.

    Attributes:
        order: its client order id.
        quantity: base it traded. ``price``: quote per base. Both or none; booked only where the venue shows
            no trade of it.
    """

    order: str
    fate: Fate
    quantity: Decimal | None = None
    price: Decimal | None = None
