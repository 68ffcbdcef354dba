"""Where the files of an account lie on this host: beside its database, whatever holds the database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cab_core.settings import Settings


def database_file(settings: Settings) -> Path:
    """Return the path whose neighbors the latch, the record of starts and the room kept for exits are.

    It is the SQLite file. For a database on a server it is a name in the folder of DB_PATH; no file has it.
    """
    url = settings.database_url.reveal()
    if not url:
        return settings.db_path.expanduser().absolute()
    from cab_core.storage.location import SqliteFile, parse  # SQLAlchemy: only who uses an address needs it

    place = parse(url)
    if isinstance(place, SqliteFile):
        return place.path
    return settings.db_path.expanduser().absolute().with_name(place.file_name)


def lock_file(settings: Settings) -> Path:
    """Return the instance lock: INSTANCE_LOCK_PATH, or else the lock beside the database."""
    from cab_core.safety.exclusive import lock_of  # filelock: the watcher of a bot waits without it

    named = settings.instance_lock_path
    return lock_of(database_file(settings)) if named is None else named.expanduser().absolute()
