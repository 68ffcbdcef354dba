"""Whether what a database holds fits today's settings: one answer for every command that asks.

Settings change between two starts; what is bought stays bought. A symbol that was taken out of SYMBOLS with
something open is looked after to its exit; what cannot be continued is refused before anything is written.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import attrs

from cab_core.cycle.announce import Announcer
from cab_core.errors import CabError, ConfigError, StorageError
from cab_core.settings.schema import Settings
from cab_core.storage import Connection, NoDatabaseError, Store, load_state, visit
from cab_core.storage.location import parse


@attrs.frozen(slots=True, kw_only=True)
class Stored:
    """What settings must get along with.

    Attributes:
        owner: the account the database belongs to, None before the first start.
        open: symbols with a position, or with an order that has not ended.
        quote: the currency all of its money is counted in, None before the first candle.
        started_with: quote currency at the first start, None before the first candle.
    """

    owner: str | None = None
    open: tuple[str, ...] = ()
    quote: str | None = None
    started_with: Decimal | None = None


log = logging.getLogger("cab.run")

NOTHING = Stored()

LEAVING = (
    "is not in SYMBOLS any more and has a position or an order open: "
    "it is looked after to its exit and takes no entry"
)


def stored(conn: Connection) -> Stored:
    """Return what the database holds."""
    state = load_state(conn)
    held = {*state.positions, *(found.intent.symbol for found in state.open_intents)}
    known = sorted({*held, *state.last_candles})
    account = None if state.account is None else state.account.book
    return Stored(
        owner=state.account_name,
        open=tuple(sorted(held)),
        quote=known[0].partition("/")[2] if known else None,
        started_with=None if account is None else Decimal(account["baseline"]),
    )


def look(settings: Settings) -> Stored:
    """Return what the database of the settings holds; nothing where there is none yet.

    Must not be called while an event loop runs in this thread.

    Raises:
        StorageError: it is of another version, or cannot be read.
    """
    try:
        return visit(place_of(settings), stored)
    except NoDatabaseError:
        return NOTHING


def left_open(settings: Settings, found: Stored) -> tuple[str, ...]:
    """Return the symbols that are open and not among SYMBOLS any more."""
    return tuple(symbol for symbol in found.open if symbol not in settings.symbols)


def misfits(settings: Settings, found: Stored, account: str | None = None) -> Iterator[CabError]:
    """Yield what keeps the settings from going on with what is stored.

    Args:
        settings: checked settings.
        found: what the database holds.
        account: the account that is asked for; None where the market of a paper run is not known.
    """
    where = f"DB_PATH={label_of(settings)}"
    wanted = account or account_of(settings)
    unsure = account is None and settings.mode != "live"
    fits = (found.owner or "").partition(":")[0] == "paper" if unsure else found.owner == wanted
    if found.owner is not None and not fits:
        yield CabError(
            f"the database belongs to the account {found.owner!r}, not to {wanted!r}",
            where=where,
            fix="set DB_PATH to a file of its own for each account, or MODE, EXCHANGE and --market to those "
            "of the database",
        )
    strangers = [s for s in settings.symbols if found.quote not in (None, s.partition("/")[2])]
    if strangers:
        yield CabError(
            f"{', '.join(strangers)} is paid in {strangers[0].partition('/')[2]}, but all money of the "
            f"account in {label_of(settings)} is counted in {found.quote}",
            where=f"SYMBOLS={','.join(settings.symbols)}",
            fix=f"set SYMBOLS to pairs of {found.quote}, or DB_PATH to a file of its own: one account for "
            "each quote currency",
        )


def notes(settings: Settings, found: Stored) -> Iterator[str]:
    """Yield what goes on otherwise than the settings alone would let one think."""
    for symbol in left_open(settings, found):
        yield f"{symbol} {LEAVING}"
    name, wanted = "PAPER_INITIAL_QUOTE", settings.paper_initial_quote
    if settings.mode != "live" and found.started_with not in (None, wanted):
        yield (
            f"{name} = {wanted:f} has no effect: the account in {label_of(settings)} exists and started "
            f"with {found.started_with:f}; for a new one set DB_PATH to a new file"
        )


def refuse_misfits(settings: Settings, found: Stored, account: str | None = None) -> None:
    """Refuse settings that cannot go on with what is stored.

    Raises:
        ConfigError: every reason.
    """
    if problems := list(misfits(settings, found, account)):
        raise ConfigError(problems)


async def continued(settings: Settings, account: str) -> Sequence[str]:
    """Refuse what cannot be continued, and return the symbols that are looked after beside SYMBOLS.

    Nothing is written, unless the database is of an older version: that is migrated, as any start does.
    Whoever calls it holds the instance lock, so that nothing changes before the start.

    Raises:
        ConfigError: every reason.
        StorageError: the database cannot be read.
    """
    try:
        found = await asyncio.to_thread(look, settings)
    except StorageError:
        await (await Store.open(place_of(settings), alone=True)).close()
        found = await asyncio.to_thread(look, settings)
    refuse_misfits(settings, found, account)
    return left_open(settings, found)


def tell_leaving(symbols: Collection[str], announcer: Announcer, trace_id: str, now_ms: int) -> None:
    """Tell the operator what is looked after beside SYMBOLS."""
    for symbol in sorted(symbols):
        text = f"{symbol} {LEAVING}"
        log.warning("%s", text, extra={"trace_id": trace_id, "symbol": symbol})
        announcer.alert("important", "symbol.leaving", text, trace_id, symbol=symbol, ts_ms=now_ms)


def account_of(settings: Settings) -> str:
    """Return the name of the account that these settings trade on a venue's own prices."""
    return f"live:{settings.exchange}" if settings.mode == "live" else "paper:exchange"


def place_of(settings: Settings) -> str | Path:
    """Return where the database of the settings is."""
    return settings.database_url.reveal() or settings.db_path


def label_of(settings: Settings) -> str:
    """Return where the database is, for people: without a password."""
    return parse(place_of(settings)).label
