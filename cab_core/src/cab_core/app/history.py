"""The book of a bot rebuilt from what its database holds: every fill, in order, with what it belonged to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

import attrs

from cab_core.cycle import context as contexts
from cab_core.domain.book import Book
from cab_core.domain.booking import AppliedTo
from cab_core.domain.market import Instrument
from cab_core.domain.orders import Fill, Purpose, Side
from cab_core.settings.schema import Settings
from cab_core.storage import AccountRow, Connection, load_account
from cab_core.storage.fills import fees_from
from cab_core.storage.meta import get_meta
from cab_core.storage.pages import (
    Journalled,
    contexts_of,
    fill_symbols,
    journal_head,
    journalled_after,
)

T = TypeVar("T")

#: Kind of the journal's row about dust that was given up.
WRITTEN_OFF = "dust.written_off"

_KINDS = ("fill", "position", "regime", WRITTEN_OFF)

#: Rows of the journal that are read at a time.
_PART = 1000


@attrs.frozen(slots=True)
class Booked:
    """One fill and what it realized; None for a buy."""

    fill: Fill
    realized: Decimal | None


@attrs.frozen(slots=True)
class Loss:
    """Quote lost without a trade: the cost of dust that was given up."""

    ts_ms: int
    symbol: str
    quote: Decimal


@attrs.frozen(slots=True)
class Past:
    """What the database tells of the past, in the order it happened.

    Attributes:
        book: after all stored fills, valued as the bot last saved it. Read it, never change it.
        booked: the fills.
        losses: what was realized without one.
        regimes: since when which regime held.
    """

    book: Book
    booked: list[Booked]
    losses: list[Loss]
    regimes: list[tuple[int, str]]


def account_now(conn: Connection) -> tuple[int, bool]:
    """Return the account's present in epoch milliseconds, and whether its market is recorded.

    On a recorded market it is the last instant the run has lived through, not this machine's time.
    """
    account = load_account(conn)
    recorded = (get_meta(conn, "account") or "").startswith(("paper:sample", "paper:file", "paper:demo"))
    if recorded and account is not None:
        return account.updated_ms, True
    return time.time_ns() // 1_000_000, False


class History:
    """The past of one database, followed: each look reads only what was journalled since the last.

    Any thread may look; one at a time does.

    Args:
        template: precision and minimums of all symbols.
    """

    def __init__(self, template: Instrument) -> None:
        self._template = template
        self._lock = threading.Lock()
        self._past: Past | None = None
        self._head = 0

    @classmethod
    def of(cls, settings: Settings) -> History:
        """Return the history of a bot with these settings."""
        return cls(any_instrument(settings))

    def look(self, conn: Connection, ask: Callable[[Past], T]) -> T | None:
        """Return what ``ask`` makes of the past; None before the first start saved an account."""
        account = load_account(conn)
        if account is None:
            return None
        with self._lock:
            return ask(self._followed(conn, account))

    def _followed(self, conn: Connection, account: AccountRow) -> Past:
        head, symbols = journal_head(conn), fill_symbols(conn)
        past = self._past
        if past is None or head < self._head or not set(symbols) <= past.book.instruments.keys():
            rules = {symbol: attrs.evolve(self._template, symbol=symbol) for symbol in symbols}
            past, self._head = Past(Book(account.baseline, rules), [], [], []), 0
        if head > self._head:
            self._past = None  # half of the rows must not stay if one of them cannot be read
            _follow(past, conn, self._head)
            self._head = head
        self._past = past
        past.book.quote_free += account.baseline - past.book.baseline  # deposits and withdrawals since
        past.book.baseline = account.baseline
        _value(past.book, account.book)
        return past


def any_instrument(settings: Settings) -> Instrument:
    """Return the precision and minimums that the settings give every symbol."""
    return Instrument(
        "BASE/QUOTE",
        settings.paper_amount_step,
        settings.paper_price_tick,
        settings.paper_cost_step,
        settings.paper_min_notional,
    )


def rebuild(conn: Connection, template: Instrument) -> tuple[Book, list[Booked]] | None:
    """Return the book after all stored fills, and the fills; None before the first start saved an account."""
    return History(template).look(conn, lambda past: (past.book, past.booked))


def _follow(past: Past, conn: Connection, after_seq: int) -> None:
    """Apply what was journalled after ``after_seq``, part by part: a journal outgrows memory."""
    while rows := journalled_after(conn, after_seq, _KINDS, _PART):
        clients = {row.facts["client_id"] for row in rows if row.kind == "fill"}
        owners = contexts_of(conn, sorted(clients))
        for row in rows:
            _apply(past, row, owners)
        after_seq = rows[-1].seq


def _apply(past: Past, row: Journalled, owners: Mapping[str, Any]) -> None:
    book, facts = past.book, row.facts
    if row.kind == "fill":
        fill = _fill(facts)
        owner = owners.get(fill.client_id)
        # Trades made outside of the bot were booked by reconciliation, without an intent.
        context = AppliedTo(Purpose.MANUAL) if owner is None else contexts.from_json(owner)
        past.booked.append(Booked(fill, book.apply(fill, context).realized))
    elif row.kind == "regime":
        past.regimes.append((facts["since_ms"], facts["state"]))
    elif row.kind == WRITTEN_OFF:
        past.losses.append(Loss(row.ts_ms, row.ref, book.write_off(row.ref, row.ts_ms)))
    elif facts["state"] is None and row.ref in book.positions:
        book.leave_dust(row.ref, row.ts_ms)


def _fill(row: Mapping[str, Any]) -> Fill:
    """Return a journalled fill."""
    reference = row["reference"]
    return Fill(
        trade_id=row["trade_id"],
        client_id=row["client_id"],
        symbol=row["symbol"],
        side=Side(row["side"]),
        quantity=Decimal(row["quantity"]),
        price=Decimal(row["price"]),
        fee=Decimal(row["fee"]),
        fee_currency=row["fee_currency"],
        ts_ms=row["ts_ms"],
        reference=None if reference is None else Decimal(reference),
        further_fees=fees_from(row.get("further_fees")),
    )


def _value(book: Book, saved: Mapping[str, object]) -> None:
    """Value open positions as the bot last saw them."""
    marks = saved.get("marks")
    for symbol, bid in marks.items() if isinstance(marks, Mapping) else ():
        book.mark(symbol, Decimal(bid))
    book.peak = Decimal(str(saved.get("peak", book.peak)))
