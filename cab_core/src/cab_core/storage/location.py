"""Where the database is: a SQLite file or a PostgreSQL server."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

import attrs
import sqlalchemy as sa

from cab_core.atomic import make_folder
from cab_core.errors import StorageError

_FIX = "set DB_PATH to a file, or the database URL to sqlite+aiosqlite:///FILE or postgresql+asyncpg://USER@HOST/NAME"


@attrs.frozen(slots=True)
class SqliteFile:
    """A database file; ``path`` is absolute."""

    path: Path

    @property
    def label(self) -> str:
        """Name for messages."""
        return str(self.path)


@attrs.frozen(slots=True)
class PostgresServer:
    """A database on a PostgreSQL server."""

    url: sa.URL = attrs.field(repr=False)

    @property
    def label(self) -> str:
        """Name for messages; a password is masked."""
        return self.url.render_as_string(hide_password=True)

    @property
    def file_name(self) -> str:
        """Name of the files of this database on this host, as that of a SQLite file is for its neighbors.

        It tells servers, databases and, by a hash of the address's options, schemas apart.
        """
        parts = ["postgresql", self.url.host or "local", str(self.url.port or 5432), self.url.database or ""]
        if self.url.query:
            options = repr(sorted(self.url.query.items()))
            parts.append(hashlib.sha256(options.encode()).hexdigest()[:8])
        return re.sub(r"[^A-Za-z0-9._-]", "_", "-".join(parts))


Place: TypeAlias = SqliteFile | PostgresServer


def parse(where: str | Path) -> Place:
    """Read a path or a database URL.

    Raises:
        StorageError: neither a path nor a supported URL.
    """
    if isinstance(where, Path) or "://" not in where:
        return SqliteFile(Path(where).expanduser().absolute())
    try:
        url = sa.make_url(where)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise StorageError("the database URL cannot be read", fix=_FIX) from error
    if url.drivername in {"sqlite", "sqlite+aiosqlite"} and url.database:
        return SqliteFile(Path(url.database).expanduser().absolute())
    if url.drivername == "postgresql+asyncpg":
        return PostgresServer(url)
    raise StorageError(f"the database {url.drivername!r} is not supported", fix=_FIX)


def sqlite_uri(path: Path, *, read_only: bool) -> str:
    """Return the URI that opens ``path`` without creating it."""
    return f"file:{quote(str(path))}?mode={'ro' if read_only else 'rw'}"


def claim(path: Path) -> bool:
    """Create folder (0700) and empty file (0600) if missing; return whether the file is new.

    Raises:
        StorageError: the folder cannot be made, or one of the two is not writable or not what it should be.
    """
    fix = "make the folder writable for this user, or set DB_PATH to another place"
    if path.exists():
        if not path.is_file():
            raise StorageError("is not a file", where=str(path), fix=fix)
        for place in (path.parent, path):
            if not os.access(place, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
                raise StorageError("is read-only", where=str(place), fix=fix)
        return False
    try:
        make_folder(path.parent)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError as error:
        raise StorageError(
            f"the database cannot be created ({error.strerror})", where=str(path), fix=fix
        ) from error
    os.close(descriptor)
    return True
