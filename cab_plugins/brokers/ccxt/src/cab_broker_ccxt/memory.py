"""What this process knows about the orders it sent."""

from __future__ import annotations

import attrs

from cab_core.sdk import Intent, OrderType

#: How far before the journaled send an order and its trades are looked for. Far more than a send takes: the
#: clocks of bot and venue may be set between the send and the look.
BEFORE_MS = 3_600_000


@attrs.define(eq=False)
class Memory:
    """Sent client ids and the venue's ids of their orders. Lost at a restart; the journal is the truth.

    Attributes:
        sent: client ids that left, or may have left. None of them is ever sent again.
        order_ids: the venue's id by client id.
        owners: the client id by the venue's id, for orders, stops and what stops became.
        deadlines: when the venue must refuse the request, on its clock, by client id.
        since_s: when the send left, or the first scan for an order of a former process began; monotonic.
        misses: when the first complete scan without a find began; monotonic.
    """

    sent: set[str] = attrs.field(factory=set)
    order_ids: dict[str, str] = attrs.field(factory=dict)
    owners: dict[str, str] = attrs.field(factory=dict)
    deadlines: dict[str, int] = attrs.field(factory=dict)
    since_s: dict[str, float] = attrs.field(factory=dict)
    misses: dict[str, float] = attrs.field(factory=dict)

    def learn(self, client_id: str, order_id: str) -> None:
        """Keep which order an intent became."""
        self.order_ids[client_id] = order_id
        self.owners[order_id] = client_id
        self.misses.pop(client_id, None)

    def inherit(self, stop_id: str, order_id: str) -> None:
        """Give the order that a stop has become to whom the stop belongs, if that is known."""
        if stop_id in self.owners:
            self.owners[order_id] = self.owners[stop_id]

    def order_id(self, intent: Intent) -> str | None:
        """Return the venue's id of an intent's order, None if it is not known."""
        if intent.order_id is not None:
            self.learn(intent.client_id, intent.order_id)
        return self.order_ids.get(intent.client_id)


def is_stop(intent: Intent) -> bool:
    """Say whether the intent is one that rests as a stop."""
    return intent.type is OrderType.STOP_LIMIT


def journaled_ms(intent: Intent) -> int:
    """Return when the send was journaled, on the bot's clock; when it was planned if it was not."""
    return intent.created_ms if intent.sent_ms is None else intent.sent_ms


def deadline_ms(intent: Intent) -> int:
    """Return when the request to place it ends, on the bot's clock."""
    sent = attrs.evolve(intent, sent_ms=journaled_ms(intent))
    return sent.expires_ms or 0
