"""What keeps a second bot away: locks of this host, and the key in Redis where two hosts are meant."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from cab_core.app.local_files import lock_file
from cab_core.errors import UsageError
from cab_core.safety.account_lock import account_lock
from cab_core.safety.exclusive import exclusive
from cab_core.safety.instance_lock import Holder
from cab_core.settings.schema import Settings

#: Says why entries must wait, None if they need not.
Circuit = Callable[[], str | None]


def sqlite_file(settings: Settings) -> Path | None:
    """Return the database file of the settings, None for a database on a server."""
    from cab_core.storage.location import SqliteFile, parse

    place = parse(settings.database_url.reveal() or settings.db_path)
    return place.path if isinstance(place, SqliteFile) else None


@contextmanager
def only_instance(settings: Settings, now_ms: int) -> Iterator[Holder]:
    """Be the only process of this host that writes this database and trades this account.

    Raises:
        LockedError: another one does.
        StorageError: a lock file cannot be made or written.
    """
    with exclusive(lock_file(settings), sqlite_file(settings), now_ms) as holder:
        if settings.mode != "live":
            yield holder
            return
        address = settings.options_of("brokers", settings.exchange).get("base_url", "")
        with account_lock(settings.exchange, str(address), settings.api_key.reveal()):
            yield holder


@asynccontextmanager
async def instance_key(
    settings: Settings, holder: Holder, nonce: str, on_lost: Callable[[str], None]
) -> AsyncIterator[tuple[Circuit, ...]]:
    """Hold the key of the account in Redis for the length of the block, if the settings ask for one.

    Args:
        settings: with ``INSTANCE_KEY_URL``.
        holder: the instance lock, which is held.
        nonce: a text that is new with each start, such as a trace id.
        on_lost: told why another instance has the key; trading must stop then.

    Yields:
        What says that entries must wait: the key is not surely ours.

    Raises:
        LockedError: another instance holds the key.
        AwayError: Redis did not answer for too long.
        UsageError: the address cannot be read, or the ``redis`` extra is not installed.
    """
    if not settings.instance_key_url:
        yield ()
        return
    try:
        from cab_core.bus.connection import FAILURES, connect
    except ModuleNotFoundError as error:
        raise needs_redis("INSTANCE_KEY_URL") from error
    from cab_core.safety.instance_key import InstanceKey, Owner, held, key_of

    owner = Owner(holder.host, holder.pid, holder.lineage, nonce)
    async with connect(settings.instance_key_url, "INSTANCE_KEY_URL") as client:
        key = InstanceKey(
            client=client,
            failures=FAILURES,
            owner=owner,
            on_lost=on_lost,
            key=key_of(settings.account_name),
        )
        async with held(key):
            yield (key.entries_allowed,)


def needs_redis(setting: str) -> UsageError:
    """Return the error that the package of Redis is missing."""
    return UsageError(
        "an address of Redis needs the package redis", where=setting, fix="pip install 'cab-core[redis]'"
    )
