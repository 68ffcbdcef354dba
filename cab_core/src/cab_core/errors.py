"""The errors a user may meet. Each says what, where, the value and the fix."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every ``cab`` command; they are API."""

    OK = 0
    PROBLEMS = 1
    USAGE = 2
    NOT_FOUND = 4
    NOT_RUNNING = 5
    TIMEOUT = 7
    REFUSED = 8
    LOCKED = 75
    CONFIG = 78
    INTERRUPTED = 130


class CabError(Exception):
    """Base of all errors shown to a user.

    Args:
        what: what is wrong, one sentence, with the offending value (secrets masked).
        where: file and row, setting name, or command; empty if there is no place.
        fix: what the user can do; empty only if nothing can be done.
    """

    code = "CAB-E000"
    exit_code = ExitCode.PROBLEMS

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class DataError(CabError):
    """A candle file or other input data cannot be used."""

    code = "CAB-E100"


class UsageError(CabError):
    """The command line asks for something that does not exist or contradicts itself."""

    code = "CAB-E200"
    exit_code = ExitCode.USAGE


class NotFoundError(CabError):
    """A trace, run, symbol, file or plugin named by the user does not exist."""

    code = "CAB-E201"
    exit_code = ExitCode.NOT_FOUND


class NotRunningError(CabError):
    """The command needs a running instance."""

    code = "CAB-E202"
    exit_code = ExitCode.NOT_RUNNING


class RefusedError(CabError):
    """Refused for safety."""

    code = "CAB-E203"
    exit_code = ExitCode.REFUSED


class LockedError(CabError):
    """Another instance holds the lock."""

    code = "CAB-E204"
    exit_code = ExitCode.LOCKED


class AwayError(CabError):
    """Something that is needed is away or off for now: it passes by itself, and is waited for."""

    code = "CAB-E205"
    exit_code = ExitCode.TIMEOUT


class ConfigError(CabError):
    """One or more settings are wrong. All of them are reported together.

    Args:
        problems: the single errors; each carries its own what, where and fix.
        warnings: what is allowed but probably not meant, often the other half of a problem.
    """

    code = "CAB-E300"
    exit_code = ExitCode.CONFIG

    def __init__(self, problems: Sequence[CabError], warnings: Sequence[str] = ()) -> None:
        lines = "; ".join(str(problem) for problem in problems)
        super().__init__(lines, fix="run: cab config check")
        self.problems = tuple(problems)
        self.warnings = tuple(warnings)


class PluginError(CabError):
    """A plugin cannot be imported, configured, registered or called."""

    code = "CAB-E400"


class StorageError(CabError):
    """The database cannot be opened, read or written."""

    code = "CAB-E500"


class DiskFullError(StorageError):
    """The database has no room for a change; nothing of it was written."""

    code = "CAB-E502"


class StorageBusyError(StorageError):
    """Another process kept the database for too long; nothing of the change was written."""

    code = "CAB-E503"


class StorageAwayError(StorageError):
    """The database server cannot be reached now, or ended the change; nothing of it was written."""

    code = "CAB-E504"
