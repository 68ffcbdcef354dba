"""Immediate fills of market orders: what the paper broker does, without a broker (replay)."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from cab_core.cycle.config import CycleConfig
from cab_core.domain.market import Quote
from cab_core.domain.matching import fill_of, filled_part, match_market
from cab_core.domain.money import ONE
from cab_core.domain.orders import Fill, Intent, Rejected, Side

#: How often the rest of a partially filled exit is sent again at once (spec 11).
EXIT_ATTEMPTS = 5


def fill_orders(
    intent: Intent, quote: Quote, config: CycleConfig, now_ms: int
) -> Iterator[tuple[Intent, tuple[Fill, ...], str | None]]:
    """Fill a market order at the quote, and the rest of a partially filled exit again.

    Yields:
        Each order sent: its intent, its fills, and why it was refused (None if it was not).
    """
    instrument = config.instruments[intent.symbol]
    left = intent.quantity
    for attempt in range(intent.attempt, intent.attempt + EXIT_ATTEMPTS):
        sent = attrs.evolve(intent, attempt=attempt, quantity=left)
        part = ONE  # most markets fill whole orders: no id is hashed to find that out
        if config.partial_fill_prob > 0:
            part = filled_part(config.fill_seed, sent.client_id, config.partial_fill_prob)
        match = match_market(sent, quote, instrument, config.costs, part=part)
        if isinstance(match, Rejected):
            yield sent, (), match.reason
            return
        yield sent, (fill_of(match, sent, 1, now_ms),), None
        if left is None or intent.side is Side.BUY:
            return
        left -= match.quantity
        if left <= 0:
            return
