"""Small drawings: where a position stands between its stop and its targets, and where a score lies."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import attrs

from cab_core.app.desk.views import PositionView

#: The regime's bands: name, and where they begin and end on the scale from -1 to +1.
BANDS: Sequence[tuple[str, float, float]] = (
    ("risk_off", -1.0, -0.5),
    ("neutral", -0.5, 0.0),
    ("risk_small", 0.0, 0.5),
    ("risk_on", 0.5, 1.0),
)


@attrs.frozen(slots=True)
class Notch:
    """A price on a ruler; ``at`` in percent from its left end."""

    name: str
    price: Decimal
    at: float


def ruler(position: PositionView) -> list[Notch]:
    """Return stop, entry, bid and targets of a position in one line, lowest price at the left."""
    prices = {
        "stop": position.stop,
        "entry": position.entry_price,
        "bid": position.bid,
        "target 1": position.take_profit_1 if not position.stage else None,
        "target 2": position.take_profit_2,
    }
    known = {name: price for name, price in prices.items() if price is not None}
    low, high = min(known.values()), max(known.values())
    span = (high - low) or Decimal(1)
    return [
        Notch(name, price, round(4 + 92 * float((price - low) / span), 2)) for name, price in known.items()
    ]


def gauge_at(score: float) -> float:
    """Return the place of a score between -1 and +1, in percent."""
    return round(min(max((score + 1) / 2, 0.0), 1.0) * 100, 2)
