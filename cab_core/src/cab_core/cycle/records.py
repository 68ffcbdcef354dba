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
class Executed:
    """What came of an order.

    Attributes:
        refused: why it was not made or not filled, None if it was or may have been.
        fills: what was filled, the rest of a partial exit included.
        unknown: whether the venue has it is not known yet; it will be found out.
        transient: the refusal may pass: the same order may be sent again.
        why: the refusal for a person, with what is known of its cause.
    """

    refused: str | None
    fills: tuple[Fill, ...] = ()
    unknown: bool = False
    transient: bool = False
    why: str = ""


@attrs.frozen(slots=True)
class Holding:
    """What was held of one symbol from ``ts_ms`` on, dust included, and the account's realized PnL by then.

    Attributes:
        open: it was a position, not dust alone.
    """

    ts_ms: int
    index: int
    quantity: Decimal
    cost: Decimal
    realized: Decimal
    open: bool
