"""Facts about the database itself: its epoch and the account it belongs to."""

from __future__ import annotations

import attrs
import sqlalchemy as sa

from cab_core.errors import RefusedError, StorageError
from cab_core.storage.schema import meta
from cab_core.storage.sql import upsert

#: Key in ``Connection.info`` under which the writer keeps the epoch it was started with.
EPOCH = "cab_epoch"

_GET = sa.select(meta.c.value).where(meta.c.key == sa.bindparam("name"))


@attrs.frozen(slots=True)
class VenueAccount:
    """Whose keys at the venue have traded what a database holds.

    Attributes:
        told: the venue's own name of the account, None if it tells none.
        key_mark: a digest of the newest key.
    """

    told: str | None
    key_mark: str


def get_meta(conn: sa.Connection, name: str) -> str | None:
    """Return a stored fact, None if it was never stored."""
    value: str | None = conn.execute(_GET, {"name": name}).scalar()
    return value


def current_epoch(conn: sa.Connection) -> int:
    """Return the epoch of the newest start of a writing instance; 0 before the first."""
    known: int | None = conn.info.get(EPOCH)
    return int(get_meta(conn, "epoch") or 0) if known is None else known


def start_epoch(conn: sa.Connection) -> int:
    """Begin and return the next epoch; from then on the writers of older ones are refused."""
    epoch = int(get_meta(conn, "epoch") or 0) + 1
    upsert(conn, meta, {"key": "epoch"}, {"value": str(epoch)})
    return epoch


def check_epoch(conn: sa.Connection, own: int) -> None:
    """Refuse to write if a newer instance has taken the database over from the one of epoch ``own``.

    Raises:
        StorageError: the stored epoch is another one.
    """
    conn.info[EPOCH] = own  # again each time: a connection that was made anew has forgotten it
    stored = int(get_meta(conn, "epoch") or 0)
    if stored != own:
        raise StorageError(
            f"another instance (epoch {stored}) has taken the database over from this one (epoch {own})",
            fix="keep only one instance running",
        )


def bind_account(conn: sa.Connection, name: str) -> None:
    """Tie the database to one account at its first start, e.g. ``paper`` or ``live:gateio``.

    Raises:
        RefusedError: it belongs to another account.
    """
    owner = get_meta(conn, "account")
    if owner is None:
        upsert(conn, meta, {"key": "account"}, {"value": name})
    elif owner != name:
        raise RefusedError(
            f"the database belongs to the account {owner!r}, not to {name!r}",
            fix="set DB_PATH to a file of its own for each account",
        )


def venue_account(conn: sa.Connection) -> VenueAccount | None:
    """Return whose keys have traded, None before the first live start."""
    mark = get_meta(conn, "venue_key_mark")
    return None if mark is None else VenueAccount(get_meta(conn, "venue_account"), mark)


def save_venue_account(conn: sa.Connection, account: VenueAccount) -> None:
    """Remember whose keys have traded."""
    upsert(conn, meta, {"key": "venue_key_mark"}, {"value": account.key_mark})
    if account.told is not None:
        upsert(conn, meta, {"key": "venue_account"}, {"value": account.told})
