"""The book of a bot rebuilt from what its database holds: every fill, in order, with what it belonged to."""

from __future__ import annotations

import time
from collections.abc import Mapping
from decimal import Decimal

import attrs

from cab_core.cycle import context as contexts
from cab_core.domain.book import Book
from cab_core.domain.booking import AppliedTo
from cab_core.domain.market import Instrument
from cab_core.domain.orders import Fill, Purpose
from cab_core.storage import Connection, intents_since, load_account, load_fills
from cab_core.storage.meta import get_meta
from cab_core.storage.reports import journalled


@attrs.frozen(slots=True)
class Booked:
    """One fill and what it realized; None for a buy."""

    fill: Fill
    realized: Decimal | None


def account_now(conn: Connection) -> tuple[int, bool]:
    """Return the account's present in epoch milliseconds, and whether its market is recorded.

    On a recorded market it is the last instant the run has lived through, not this machine's time.
    """
    account = load_account(conn)
    recorded = (get_meta(conn, "account") or "").startswith(("paper:sample", "paper:file"))
    if recorded and account is not None:
        return account.updated_ms, True
    return time.time_ns() // 1_000_000, False


def rebuild(conn: Connection, template: Instrument) -> tuple[Book, list[Booked]] | None:
    """Return the book after all stored fills, and the fills; None before the first start saved an account.

    Args:
        conn: the database.
        template: precision and minimums of all symbols.
    """
    account = load_account(conn)
    if account is None:
        return None
    fills = {(fill.symbol, fill.trade_id): fill for fill in load_fills(conn)}
    owners = {stored.intent.client_id: stored for stored in intents_since(conn, 0)}
    symbols = dict.fromkeys(symbol for symbol, _ in fills)
    book = Book(account.baseline, {s: attrs.evolve(template, symbol=s) for s in symbols})
    booked: list[Booked] = []
    for ts_ms, kind, ref, payload in journalled(conn, "fill", "position"):
        if kind == "position":
            if payload["state"] is None and ref in book.positions:
                book.leave_dust(ref, ts_ms)
            continue
        fill = fills[payload["symbol"], payload["trade_id"]]
        owner = owners.get(fill.client_id)
        # Trades made outside of the bot were booked by reconciliation, without an intent.
        context = AppliedTo(Purpose.MANUAL) if owner is None else contexts.from_json(owner.payload)
        applied = book.apply(fill, context)
        booked.append(Booked(fill, applied.realized))
    _value(book, account.book)
    return book, booked


def _value(book: Book, saved: Mapping[str, object]) -> None:
    """Value open positions as the bot last saw them."""
    marks = saved.get("marks")
    for symbol, bid in marks.items() if isinstance(marks, Mapping) else ():
        book.mark(symbol, Decimal(bid))
    book.peak = Decimal(str(saved.get("peak", book.peak)))
