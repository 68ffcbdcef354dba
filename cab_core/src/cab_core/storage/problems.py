"""Turns what a database driver raises into errors a user can act on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from socket import gaierror

import sqlalchemy as sa

from cab_core.errors import DiskFullError, StorageBusyError, StorageError

#: Primary result codes after which the file must not be written again by this process: a failed sync may have
#: dropped pages that a second sync would report as written.
FATAL_CODES = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

_SQLITE: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: (
        "the disk is full; nothing of this change was written",
        "free space, then start again",
    ),
    sqlite3.SQLITE_IOERR: (
        "the disk refused to read or write",
        "check the disk's space, quota and health, then start again",
    ),
    sqlite3.SQLITE_CORRUPT: ("the file is damaged", "restore the newest backup"),
    sqlite3.SQLITE_NOTADB: (
        "the file is not a SQLite database",
        "set DB_PATH to another file, or move this one away",
    ),
    sqlite3.SQLITE_READONLY: (
        "the file or its folder is read-only",
        "make both writable for this user, or set DB_PATH to another place",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "the file cannot be opened",
        "check that the folder exists and that this user may write to it, or set DB_PATH",
    ),
    sqlite3.SQLITE_BUSY: (
        "another process has been writing for more than 5 s",
        "stop the other instance, then try again",
    ),
}


class DatabaseFailedError(StorageError):
    """The database failed in a way that forbids further writes by this process."""

    code = "CAB-E510"


#: Refusals that may pass: nothing was written, and the same change may be tried again.
_PASSING: dict[int, type[StorageError]] = {
    sqlite3.SQLITE_FULL: DiskFullError,
    sqlite3.SQLITE_BUSY: StorageBusyError,
}


def sqlite_code(error: BaseException | None) -> int | None:
    """Return SQLite's primary result code of a driver error, None if it has none."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise driver errors of the block as `StorageError` naming ``where``.

    Raises:
        DatabaseFailedError: an I/O error or damage; the caller must stop writing.
        DiskFullError: no room. StorageBusyError: another process kept the database.
        StorageError: everything else the database refused.
    """
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise _named(error.orig, where) from error
    except (sqlite3.Error, ConnectionError, gaierror) as error:
        raise _named(error, where) from error


def _named(error: BaseException | None, where: str) -> StorageError:
    code = sqlite_code(error)
    if code is None or code not in _SQLITE:
        return StorageError(
            f"the database refused: {error}", where=where, fix="see the message of the database"
        )
    what, fix = _SQLITE[code]
    kind = DatabaseFailedError if code in FATAL_CODES else _PASSING.get(code, StorageError)
    return kind(f"{what} ({error})", where=where, fix=fix)
