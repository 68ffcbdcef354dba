"""Where the database is: a SQLite file or a PostgreSQL server."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import attrs
import sqlalchemy as sa

from cab_core.errors import StorageError

_FIX = "set DB_PATH to a file, or the database URL to sqlite+aiosqlite:///FILE or postgresql+asyncpg://USER@HOST/NAME"


@attrs.frozen(slots=True)
class Location:
    """A parsed place: exactly one of the two is set.

    Attributes:
        path: absolute path of the SQLite file.
        url: URL of the PostgreSQL database.
    """

    path: Path | None
    url: sa.URL | None

    @property
    def label(self) -> str:
        """Name for messages; a password is masked."""
        if self.path is not None:
            return str(self.path)
        return "" if self.url is None else self.url.render_as_string(hide_password=True)

    @classmethod
    def parse(cls, where: str | Path) -> Location:
        """Read a path or a database URL.

        Raises:
            StorageError: neither a file nor a supported URL.
        """
        if isinstance(where, Path) or "://" not in where:
            return cls(Path(where).expanduser().absolute(), None)
        try:
            url = sa.make_url(where)
        except (sa.exc.ArgumentError, ValueError) as error:
            raise StorageError("the database URL cannot be read", fix=_FIX) from error
        if url.drivername in {"sqlite", "sqlite+aiosqlite"} and url.database:
            return cls(Path(url.database).expanduser().absolute(), None)
        if url.drivername == "postgresql+asyncpg":
            return cls(None, url)
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
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError as error:
        if not path.is_file():
            raise StorageError("is not a file", where=str(path), fix=fix) from error
        for place in (path.parent, path):
            if not os.access(place, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
                raise StorageError("is read-only", where=str(place), fix=fix) from error
        return False
    except OSError as error:
        raise StorageError(
            f"the database cannot be created ({error.strerror})", where=str(path), fix=fix
        ) from error
    os.close(descriptor)
    return True
