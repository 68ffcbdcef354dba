"""The registry of event topics. A topic that is not here cannot be published.

Events are a projection for alerts, pages and metrics: what happened is in the journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs


@attrs.frozen(slots=True)
class Topic:
    """One kind of event.

    Attributes:
        name: lower case, dotted.
        help: when it is published, one sentence.
        keys: the keys of its payload with their meaning; exactly these.
    """

    name: str
    help: str
    keys: Mapping[str, str]

    def check(self, payload: Mapping[str, Any]) -> None:
        """Raise if the payload is not what the registry promises.

        Raises:
            KeyError: a key is missing or not registered.
        """
        if payload.keys() != self.keys.keys():
            wrong = sorted(payload.keys() ^ self.keys.keys())
            raise KeyError(f"event {self.name}: missing or unregistered payload keys {wrong}")


_SYMBOL = {"symbol": "`BASE/QUOTE`"}
_ORDER = {**_SYMBOL, "key": "intent key", "client_id": "client order id of the attempt"}
_LIMIT = {"value": "what was measured", "threshold": "the limit it was held against"}

_ALL = (
    Topic(
        "orchestrator.state",
        "A symbol's loops changed their state.",
        {
            **_SYMBOL,
            "old": "state before",
            "new": "idle, running, paused or stopped",
            "reason": "who or what did it",
        },
    ),
    Topic(
        "cycle.completed",
        "A candle was evaluated.",
        {
            **_SYMBOL,
            "candle_ts_ms": "open time of the candle",
            "action": "buy, sell or hold",
            "reason": "the one machine-readable reason",
            "order_key": "intent key, or null without an order",
            "duration_ms": "time the evaluation took",
        },
    ),
    Topic(
        "market.data.invalid",
        "Rows of a live feed were dropped.",
        {**_SYMBOL, "dropped": "how many rows", "reason": "why the first of them was dropped"},
    ),
    Topic(
        "order.changed",
        "An order intent went to another state.",
        {**_ORDER, "state": "the new state", "message": "what the broker said, or empty"},
    ),
    Topic(
        "order.partially.filled",
        "An order is filled in part.",
        {
            **_ORDER,
            "filled": "base quantity filled so far",
            "remaining": "base quantity or quote cost still open",
        },
    ),
    Topic(
        "trade.settled",
        "One own trade was applied to the book.",
        {
            **_SYMBOL,
            "client_id": "client order id",
            "trade_id": "the exchange's trade id",
            "side": "buy or sell",
            "quantity": "base quantity",
            "price": "quote per base",
            "fee": "amount of the fee",
            "fee_currency": "currency of the fee",
            "further_fees": "what was taken besides, one text of amount and currency each",
        },
    ),
    Topic(
        "trade.completed",
        "An order is fully settled: all its trades are applied.",
        {
            **_ORDER,
            "side": "buy or sell",
            "quantity": "base quantity filled",
            "value": "quote value before fees",
        },
    ),
    Topic(
        "trade.settlement.timeout",
        "A market order did not end within 120 s and is being canceled.",
        {**_ORDER, "age_s": "seconds since the send"},
    ),
    Topic(
        "position.opened",
        "A symbol went from flat to long.",
        {
            **_SYMBOL,
            "quantity": "base quantity",
            "cost": "quote cost with fees",
            "reason": "reason of the entry",
        },
    ),
    Topic(
        "position.closed",
        "A symbol went from long to flat.",
        {**_SYMBOL, "pnl": "net profit of the round trip in quote", "reason": "reason of the last exit"},
    ),
    Topic(
        "position.dust",
        "What is left of a position cannot be sold: it is dust, valued at the bid, for the next sale.",
        {
            **_SYMBOL,
            "quantity": "base quantity that is left",
            "cost": "what it cost in quote",
            "value": "what it is worth at the bid in quote",
            "loss": "cost less value: unrealized, part of equity and daily loss",
        },
    ),
    Topic(
        "protection.changed",
        "The desired stop of a position changed.",
        {
            **_SYMBOL,
            "stage": "0 before the first target, 1 after",
            "stop": "stop price",
            "kind": "kind of the stop",
        },
    ),
    Topic(
        "regime.changed",
        "The market regime changed its state.",
        {
            "old": "state before, or null",
            "new": "risk_on, risk_small, neutral or risk_off",
            "score": "score in [-1, 1]",
            "parts": "penalty of each source",
        },
    ),
    Topic(
        "risk.blocked",
        "A risk rule held an entry back.",
        {**_SYMBOL, "rule": "the rule", "reason": "its reason", **_LIMIT},
    ),
    Topic(
        "risk.warning",
        "A rule notes something, such as a limit used to 80 %, once per day and rule; it has paused entries "
        "until midnight UTC; or a fill slipped.",
        {"rule": "the rule", "reason": "what it noted", **_LIMIT},
    ),
    Topic(
        "risk.released",
        "A halt ended.",
        {"rule": "the rule", "by": "who released it, or `time`"},
    ),
    Topic(
        "emergency.stop",
        "All entries on all symbols are stopped until a person releases them.",
        {"rule": "the rule or component", "reason": "why", **_LIMIT},
    ),
    Topic(
        "reconciliation.completed",
        "Book and exchange were compared.",
        {**_SYMBOL, "mismatches": "list of findings, empty if clean", "duration_ms": "time it took"},
    ),
    Topic(
        "watchdog.changed",
        "The watchdog found that parts of the bot fail, or work again. Entries wait while it is degraded.",
        {
            "old": "level before",
            "new": "ok, warned or degraded",
            "failing": "what failed, by part",
        },
    ),
    Topic(
        "gate.changed",
        "The gate in front of all entries was shut or opened; exits pass it as ever.",
        {"old": "reason it was shut for, or null", "new": "reason it is shut for, or null: it is open"},
    ),
    Topic(
        "clock.changed",
        "The wall clock left the exchange's clock, or came back to it. Entries wait while it is off.",
        {
            "old": "level before",
            "new": "ok, skewed or off",
            "offset_ms": "how far it is ahead, in milliseconds",
        },
    ),
    Topic(
        "plugin.quarantined",
        "A plugin is no longer called after repeated failures.",
        {
            "plugin": "id, e.g. `strategy:ema_cross`",
            "reason": "its last failure",
            "strikes": "failures in a row",
        },
    ),
    Topic(
        "alert",
        "A message for the operator.",
        {
            "severity": "critical, important or info",
            "kind": "topic it stems from",
            "text": "the message",
            **_SYMBOL,
            "rule": "the risk rule, or empty",
            "ts_ms": "when",
        },
    ),
)

#: Every topic by name.
TOPICS: Mapping[str, Topic] = {topic.name: topic for topic in _ALL}


def topic(name: str) -> Topic:
    """Return a registered topic.

    Raises:
        KeyError: it is not registered.
    """
    try:
        return TOPICS[name]
    except KeyError:
        raise KeyError(f"event topic {name!r} is not registered in cab_core.events") from None


def reference_page() -> str:
    """Return the documentation of all topics as Markdown, sorted by name."""
    lines = [
        "# Events",
        "",
        "Every event the bot publishes, with the keys of its payload. Each event also carries the `trace_id`",
        "of the cycle, order, command or look that caused it: `cab logs --trace ID` finds it. Events may be",
        "lost when a subscriber is slow; the journal has everything.",
        "This page is generated from `cab_core.events`: change it there.",
    ]
    for name in sorted(TOPICS):
        entry = TOPICS[name]
        lines += ["", f"## `{name}`", "", entry.help, "", "| key | meaning |", "|---|---|"]
        lines += [f"| `{key}` | {meaning} |" for key, meaning in entry.keys.items()]
    return "\n".join(lines) + "\n"
