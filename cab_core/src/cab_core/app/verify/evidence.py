"""What a database says, read once and as it is stored, for checks that trust none of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any

import attrs

from cab_core.domain.money import ZERO
from cab_core.storage import Connection, journal_rows, stored_epoch, stored_rows, verify_journal

#: Client order ids of ours begin so.
PREFIX = "t-c"


@attrs.frozen(slots=True)
class Event:
    """One row of the journal; ``facts`` is its payload."""

    seq: int
    ts_ms: int
    epoch: int
    kind: str
    ref: str
    facts: Mapping[str, Any]


@attrs.frozen(slots=True)
class Trade:
    """One trade as it was recorded. Amounts in base, price in quote per base."""

    exchange: str
    symbol: str
    trade_id: str
    client_id: str
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    ts_ms: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Trade:
        """Read a row of the fills, of the table or of the journal."""
        return cls(
            str(row["exchange"]),
            str(row["symbol"]),
            str(row["trade_id"]),
            str(row["client_id"]),
            str(row["side"]),
            amount(row["quantity"]),
            amount(row["price"]),
            amount(row["fee"]),
            str(row["fee_currency"]),
            int(row["ts_ms"]),
        )

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes it this trade and no other."""
        return self.exchange, self.symbol, self.trade_id

    @property
    def ours(self) -> bool:
        """Whether an order of the bot made it; otherwise it is a recorded adjustment."""
        return self.client_id.startswith(PREFIX)


@attrs.frozen(kw_only=True)
class Evidence:
    """Everything the checks read.

    Attributes:
        events: the journal, oldest first.
        tables: rows of each table as stored.
        journal_problems: where the chain of the journal is broken.
        epoch: number of the newest start.
    """

    events: Sequence[Event]
    tables: Mapping[str, Sequence[Mapping[str, Any]]]
    journal_problems: Sequence[str]
    epoch: int

    def of_kind(self, *kinds: str) -> list[Event]:
        """Return the journal's rows of these kinds, oldest first."""
        return [event for event in self.events if event.kind in kinds]

    @property
    def intents(self) -> Sequence[Mapping[str, Any]]:
        """The order intents, one row per attempt."""
        return self.tables["order_intents"]

    @cached_property
    def trades(self) -> list[Trade]:
        """The recorded trades in the order in which lots are consumed."""
        return sorted(map(Trade.of, self.tables["fills"]), key=lambda trade: (trade.ts_ms, trade.trade_id))

    @cached_property
    def positions(self) -> dict[str, Mapping[str, Any]]:
        """State of each open position by symbol."""
        return {row["symbol"]: parsed(row["state"]) for row in self.tables["positions"]}

    @cached_property
    def adjusted(self) -> frozenset[str]:
        """Trade ids that were booked deliberately without an order of this database: adopted or estimated."""
        return frozenset(
            trade_id for event in self.of_kind("position.adjusted") for trade_id in event.facts["trades"]
        )

    @property
    def book(self) -> Mapping[str, Any] | None:
        """The account's book as last saved, None before that."""
        rows = self.tables["account"]
        return parsed(rows[0]["book"]) if rows else None


def gather(conn: Connection) -> Evidence:
    """Read everything the checks need from one snapshot."""
    events = [
        Event(row.seq, row.ts_ms, row.epoch, row.kind, row.ref, parsed(row.payload))
        for row in journal_rows(conn)
    ]
    names = ("account", "decision_trace", "fills", "order_intents", "positions", "risk_counters")
    return Evidence(
        events=events,
        tables={name: stored_rows(conn, name) for name in names},
        journal_problems=verify_journal(conn),
        epoch=stored_epoch(conn),
    )


def parsed(text: str | None) -> Mapping[str, Any]:
    """Return the JSON object of ``text``, an empty one if it is none: I22 names such a row."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def amount(value: object) -> Decimal:
    """Return a stored amount; 0 for what is no finite number: I22 names such a row."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return ZERO
    return number if number.is_finite() else ZERO
