"""Turns what a database driver raises into errors a user can act on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from socket import EAI_AGAIN, gaierror

import sqlalchemy as sa

from cab_core.errors import DiskFullError, StorageAwayError, StorageBusyError, StorageError

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

#: Beginnings of PostgreSQL's SQLSTATE codes of what passes: connections lost or refused, restarts, a
#: transaction that met another one, no room or no connection left.
_AWAY = ("08", "25P03", "25P04", "40", "53", "55P03", "57P01", "57P02", "57P03", "57P05")

_AWAY_FIX = "see whether the server is up and DATABASE_URL is right"

_POSTGRES: dict[str, str] = {
    "28": "correct user and password in DATABASE_URL, or let this user in (pg_hba.conf)",
    "3D": "make the database (createdb), or correct its name in DATABASE_URL",
    "42501": "give the user of DATABASE_URL the right to create tables in this database",
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
        DiskFullError: no room. StorageBusyError: another process kept the database. StorageAwayError: the
            server cannot be reached, or ended the transaction.
        StorageError: everything else the database refused.
    """
    try:
        yield
    except sa.exc.DBAPIError as error:
        if error.connection_invalidated:
            raise _away(error.orig, where) from error
        raise _named(error.orig, where) from error
    except gaierror as error:
        if error.errno == EAI_AGAIN:
            raise _away(error, where) from error
        raise StorageError(
            f"the name of the server cannot be resolved ({error.strerror})", where=where, fix=_AWAY_FIX
        ) from error
    except (ConnectionError, TimeoutError) as error:
        raise _away(error, where) from error
    except sqlite3.Error as error:
        raise _named(error, where) from error
    except OSError as error:
        if error.filename is not None:
            raise
        raise _away(error, where) from error  # no route, or each address of a name refused


def _away(error: BaseException | None, where: str) -> StorageAwayError:
    what = str(error) or "no answer in time"
    return StorageAwayError(f"the database server is away: {what}", where=where, fix=_AWAY_FIX)


def _named(error: BaseException | None, where: str) -> StorageError:
    state = getattr(error, "sqlstate", None) or ""
    if state.startswith(_AWAY):
        return _away(error, where)
    code = sqlite_code(error)
    if code is None or code not in _SQLITE:
        known = (fix for start, fix in _POSTGRES.items() if state.startswith(start))
        fix = next(known, "see the message of the database")
        return StorageError(f"the database refused: {error}", where=where, fix=fix)
    what, fix = _SQLITE[code]
    kind = DatabaseFailedError if code in FATAL_CODES else _PASSING.get(code, StorageError)
    return kind(f"{what} ({error})", where=where, fix=fix)
