"""What is held outside of positions, too little to sell, and giving it up (spec 9.6)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from decimal import Decimal

import attrs

from cab_core.app.desk.holdings import saved_book
from cab_core.app.history import WRITTEN_OFF, account_now
from cab_core.app.instance import only_instance
from cab_core.app.maintenance.work import Order, write_row
from cab_core.domain.book import Book
from cab_core.domain.book_state import account_state
from cab_core.errors import NotFoundError, NotRunningError
from cab_core.settings import Settings
from cab_core.storage import Connection, NoDatabaseError, load_account, save_account, visit
from cab_core.storage import journal as append


@attrs.frozen(kw_only=True)
class Dust:
    """What is left of closed positions of a symbol: base, and the quote it cost."""

    symbol: str
    quantity: Decimal
    cost: Decimal


@attrs.frozen(kw_only=True)
class Dusted:
    """Dust that was found, and whether it was given up."""

    dust: Sequence[Dust]
    written_off: bool


def dust_of(settings: Settings, order: Order, symbol: str | None = None, *, give_up: bool = False) -> Dusted:
    """Return the dust of the account; with ``give_up`` realize its cost as a loss, while no bot runs.

    The loss counts in the round trip that left the dust, and in the day of the order. What the venue still
    holds is then no longer the bot's.

    Must not be called while an event loop runs in this thread.

    Args:
        settings: checked settings.
        order: who ordered it; a dry run changes nothing.
        symbol: only this one.
        give_up: write it off.

    Raises:
        LockedError: a bot runs and something is to be given up. NotRunningError: there is no account yet.
        NotFoundError: the symbol has no dust.
    """
    where = settings.database_url.reveal() or settings.db_path
    changes = give_up and not order.dry_run

    def work(conn: Connection) -> Dusted:
        book = saved_book(conn, settings)
        if book is None:
            raise _not_yet(str(where))
        found = _found(book, symbol)
        if changes:
            _write_off(conn, book, found, order)
        return Dusted(dust=found, written_off=changes)

    try:
        with only_instance(settings, order.now_ms) if changes else nullcontext():
            return visit(where, work, read_only=not changes)
    except NoDatabaseError as error:
        raise _not_yet(error.where or str(where)) from error


def _found(book: Book, symbol: str | None) -> list[Dust]:
    dust = [
        Dust(symbol=held, quantity=lot.quantity, cost=lot.cost)
        for held, lot in sorted(book.dust().items())
        if lot.quantity and symbol in (None, held)
    ]
    if symbol is not None and not dust:
        raise NotFoundError(f"{symbol} has no dust", where="--symbol", fix="run: cab maintenance dust")
    return dust


def _write_off(conn: Connection, book: Book, found: Sequence[Dust], order: Order) -> None:
    account = load_account(conn)
    if account is None:  # the book came from it
        raise AssertionError("a book without an account")
    now_ms, _ = account_now(conn)
    for dust in found:
        book.write_off(dust.symbol, now_ms)
        facts = {"quantity": str(dust.quantity), "cost": str(dust.cost)}
        append(conn, WRITTEN_OFF, facts, ts_ms=now_ms, ref=dust.symbol, trace_id=order.trace_id)
        write_row(conn, order, "dust", dust.symbol, facts, {"quantity": "0", "cost": "0"})
    # The account stays as of when the bot last saved it: from there on it looks for trades it missed.
    save_account(conn, attrs.evolve(account, book=account_state(book)), trace_id=order.trace_id)


def _not_yet(where: str) -> NotRunningError:
    return NotRunningError(
        "there is no account: cab has not traded here yet", where=where, fix="run: cab run (or set DB_PATH)"
    )
