"""What the shells write down while they run."""

from __future__ import annotations

from decimal import Decimal

import attrs

from cab_core.domain.orders import Fill, Intent


@attrs.frozen(slots=True)
class OrderRecord:
    """An order that was made, and its fills."""

    intent: Intent
    fills: tuple[Fill, ...]


@attrs.frozen(slots=True)
class Holding:
    """What was held of one symbol from ``ts_ms`` on, and the account's realized PnL by then."""

    ts_ms: int
    index: int
    quantity: Decimal
    cost: Decimal
    realized: Decimal
