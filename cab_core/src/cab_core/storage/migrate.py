"""Brings a database to the schema of this version, or refuses it untouched."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from cab_core.errors import StorageError
from cab_core.storage import schema
from cab_core.storage.engine import peek_engine
from cab_core.storage.problems import translated

_MAGIC = b"SQLite format 3\0"

#: Bytes of the header of a database.
_HEADER = 100

_VERSIONS = sa.text("SELECT version_num FROM alembic_version")


def revision(conn: sa.Connection, where: str) -> str | None:
    """Return the revision of the database, None if it is empty. Reads only.

    Raises:
        StorageError: the database belongs to something else, or to a newer version of cab.
    """
    tables = set(sa.inspect(conn).get_table_names())
    if not tables:
        return None
    known = conn.execute(_VERSIONS).scalars().all() if {"alembic_version", "meta"} <= tables else []
    if len(known) != 1 or not known[0].isdigit():
        raise StorageError(
            f"this is a database of another program (tables: {', '.join(sorted(tables)[:5])})",
            where=where,
            fix="set DB_PATH to another file",
        )
    if known[0] > schema.HEAD:
        raise StorageError(
            f"the database has schema {known[0]}, this version of cab knows up to {schema.HEAD}",
            where=where,
            fix="start the newer cab that wrote it, or restore a backup from before the upgrade",
        )
    return str(known[0])


def look(path: Path) -> str | None:
    """Return the `revision` of a SQLite file without changing it.

    Raises:
        StorageError: as of `revision`, or the file is no SQLite database.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_MAGIC))
    except OSError as error:
        raise StorageError(
            f"the file cannot be read ({error.strerror})", where=str(path), fix="run as the user who owns it"
        ) from error
    if start not in (b"", _MAGIC):
        raise _no_database(path)
    return peek(path)


def peek(path: Path) -> str | None:
    """Return the `revision` of a SQLite file as `look` does, but let only SQLite open it.

    A process that has the database open must use this: closing a handle of its own would drop the locks of
    the whole process, and another process could then change the file under its hands.

    Raises:
        StorageError: as of `revision`, or the file is no SQLite database.
    """
    if 0 < path.stat().st_size < _HEADER:  # SQLite takes it for an empty database
        raise _no_database(path)
    with translated(str(path)), peek_engine(path).connect() as conn:
        return revision(conn, str(path))


def _no_database(path: Path) -> StorageError:
    return StorageError(
        "the file is not a SQLite database", where=str(path), fix="set DB_PATH to another file"
    )


def prepare(conn: sa.Connection, where: str) -> None:
    """Create or migrate within the open transaction; nothing is written if the schema is current.

    Raises:
        StorageError: as of `revision`.
    """
    found = revision(conn, where)
    if found is None:
        schema.create_all(conn)
    elif found != schema.HEAD:
        upgrade(conn)


def upgrade(conn: sa.Connection, to: str = "head") -> None:
    """Run the numbered migration scripts up to ``to`` on ``conn``.

    Imports alembic, which costs more than a second on a slow core: only when a migration is due.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "cab_core.storage:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = conn
    command.upgrade(config, to)
