"""What a database says, read once and as it is stored, for checks that trust none of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from itertools import groupby
from typing import Any

import attrs

from cab_core.app.verify.scan import Scan
from cab_core.app.verify.values import amount, fees, parsed
from cab_core.storage import Connection, journal_rows, stored_epoch, stored_rows, verify_journal
from cab_core.storage.traces import evaluated, ordered_payloads

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
    further_fees: Sequence[tuple[str, Decimal]] = ()

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
            fees(row.get("further_fees")),
        )

    @property
    def fees(self) -> Sequence[tuple[str, Decimal]]:
        """Every fee as (currency, amount)."""
        return ((self.fee_currency, self.fee), *self.further_fees)

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
        events: the journal, oldest first, without what `Scan` alone is asked about.
        scan: what was seen of all of it.
        tables: rows of each table as stored.
        sizes: quote that each entry was sized at, by the key of its order.
        unjournalled: traces that the journal does not know, one line each.
        journal_problems: where the chain of the journal is broken.
        epoch: number of the newest start.
    """

    events: Sequence[Event]
    scan: Scan
    tables: Mapping[str, Sequence[Mapping[str, Any]]]
    sizes: Mapping[str, Decimal]
    unjournalled: Sequence[str]
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
    scan = Scan()
    events = [
        Event(row.seq, row.ts_ms, row.epoch, row.kind, row.ref, parsed(row.payload))
        for row in journal_rows(conn)
        if scan.see(row)
    ]
    names = ("account", "fills", "order_intents", "positions", "risk_counters")
    return Evidence(
        events=events,
        scan=scan,
        tables={name: stored_rows(conn, name) for name in names},
        sizes=dict(_sizes(conn)),
        unjournalled=list(_unjournalled(conn, scan)),
        journal_problems=verify_journal(conn),
        epoch=stored_epoch(conn),
    )


def _sizes(conn: Connection) -> Iterator[tuple[str, Decimal]]:
    for order_key, payload in ordered_payloads(conn):
        size = payload.get("size")
        if size:
            yield order_key, amount(size["amount"])


def _unjournalled(conn: Connection, scan: Scan) -> Iterator[str]:
    for symbol, traces in groupby(evaluated(conn), key=lambda trace: trace[0]):
        decided = frozenset(scan.candles.get(symbol, ()))
        for _, candle_ms, trace_id in traces:
            if candle_ms not in decided:
                yield f"trace {trace_id} of candle {candle_ms} of {symbol} is not in the journal"
