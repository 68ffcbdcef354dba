"""Whether a key is of the account that a database has traded.

The balances of another account would be taken for this one's: everything held would be booked as sold.
A key belongs to one account for ever, so the venue is asked only when the key is a new one.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256

from cab_core.app.continuing import label_of, place_of
from cab_core.errors import CabError, ConfigError
from cab_core.sdk import Broker, Identified
from cab_core.settings.schema import Settings
from cab_core.storage import (
    NoDatabaseError,
    Store,
    VenueAccount,
    save_venue_account,
    venue_account,
    visit,
)


async def take_account(venue: Broker, settings: Settings, store: Store, *, confirmed: bool) -> None:
    """Remember at the first live start whose account is traded, and refuse any other one later.

    Args:
        venue: the opened venue.
        settings: checked settings of a live account.
        store: its database.
        confirmed: the operator says that a new key is of the same account, should the venue not tell.

    Raises:
        ConfigError: the key is of another account, or it cannot be known; nothing was written.
        AwayError: the venue does not answer for now.
    """
    known = await store.transact(venue_account)
    now = await _account(venue, settings, known, confirmed=confirmed)
    if now != known:
        await store.transact(lambda conn: save_venue_account(conn, now))


async def require_account_of(venue: Broker, settings: Settings) -> None:
    """Refuse a key of another account than the one on record; nothing is written.

    Raises:
        ConfigError: it is of another one, or that cannot be known.
    """
    await _account(venue, settings, await asyncio.to_thread(_on_record, settings), confirmed=False)


def _on_record(settings: Settings) -> VenueAccount | None:
    try:
        return visit(place_of(settings), venue_account)
    except NoDatabaseError:
        return None


async def _account(
    venue: Broker, settings: Settings, known: VenueAccount | None, *, confirmed: bool
) -> VenueAccount:
    mark = sha256(settings.api_key.reveal().encode()).hexdigest()[:16]
    if known is not None and known.key_mark == mark:
        return known
    told = await venue.account_id() if isinstance(venue, Identified) else None
    if known is None:
        return VenueAccount(told, mark)
    if told is None or known.told is None:
        if not confirmed:
            raise ConfigError([_unsure(settings)])
    elif told != known.told:
        raise ConfigError([_another(settings, told, known.told)])
    return VenueAccount(told or known.told, mark)


def _another(settings: Settings, told: str, known: str) -> CabError:
    return CabError(
        f"API_KEY is of the account {told} at {settings.exchange}, but the database has traded the account "
        f"{known}",
        where=f"DB_PATH={label_of(settings)}",
        fix=f"set API_KEY and API_SECRET to a key of the account {known}, or DB_PATH to a file of its own "
        "for each account",
    )


def _unsure(settings: Settings) -> CabError:
    return CabError(
        f"API_KEY is another one than before, and {settings.exchange} does not tell whether it is of the "
        "same account",
        where=f"DB_PATH={label_of(settings)}",
        fix="if it is, say so once: cab run --same-account; if not, set DB_PATH to a file of its own for "
        "each account",
    )
