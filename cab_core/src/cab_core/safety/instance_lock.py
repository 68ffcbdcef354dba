"""The instance lock: one bot per lock file on this host (spec 14).

The kernel frees the lock of a crashed process by itself, so a stale file is no lock. A sidecar
``<lock file>.json`` says who holds it. The lock belongs to a file, not to a name: should somebody delete the
file while an instance runs, a second one would lock a new file of the same name. The sidecar keeps it out.
"""

from __future__ import annotations

import json
import os
import pwd
import secrets
import socket
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
from filelock import FileLock, Timeout

from cab_core.atomic import make_folder
from cab_core.errors import LockedError, StorageError

#: Roles of a holder.
BOT = "bot"
DEAD_MAN = "dead_man"

#: Mode of a lock file and of what says who holds it. Whoever may open a lock file may lock it, reading is
#: enough: another user of this host could keep the bot from starting.
_PRIVATE = 0o600

_FIX = "stop it first, or give this one a lock (INSTANCE_LOCK_PATH) and a database (DB_PATH) of its own"

#: States of a process that has ended but is still listed.
_DEAD = frozenset("ZXx")


@attrs.frozen(slots=True)
class Holder:
    """The instance that holds a lock, as its sidecar says.

    Attributes:
        started_ms: when it took the lock, epoch milliseconds.
        born: start of the process in the kernel's ticks, empty where the system does not tell; it
            distinguishes the process from a later one with the same id.
        inode: of the lock file it holds.
        role: `BOT`, or `DEAD_MAN` while the dead man's switch closes positions.
        path: the lock file.
        lineage: what this holder of the lock and those before it share, unless one of them stopped cleanly.
            Whoever holds the lock knows by it that a former holder is dead.
    """

    pid: int = attrs.field(validator=attrs.validators.instance_of(int))
    host: str
    started_ms: int = attrs.field(validator=attrs.validators.instance_of(int))
    born: str
    inode: int
    role: str = BOT
    path: str = ""
    lineage: str = ""

    def alive(self) -> bool:
        """Say whether this very process still runs on this host; one that is to be reaped does not."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # it lives, but belongs to somebody else
        state, born = _process(self.pid)
        return born == self.born and state not in _DEAD


@attrs.frozen(slots=True)
class FileMark:
    """Which file a name stood for. It needs somebody who keeps that file open, since inodes are used again.

    The file is never opened here: closing any handle of a SQLite file drops the locks of the whole process.
    """

    path: Path
    device: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> FileMark:
        """Take the mark of an existing file."""
        found = path.stat()
        return cls(path, found.st_dev, found.st_ino)

    def unchanged(self) -> bool:
        """Say whether the name still stands for that file: it was neither deleted nor replaced."""
        try:
            return FileMark.of(self.path) == self
        except OSError:
            return False


def still_mine(holder: Holder, *others: FileMark) -> bool:
    """Say whether the lock still guards its name, and the other files (the database) are still the same.

    Args:
        holder: what `instance_lock` gave.
        others: marks of files that must not be replaced under a running instance.
    """
    try:
        inode = Path(holder.path).stat().st_ino
    except OSError:
        return False
    return inode == holder.inode and all(mark.unchanged() for mark in others)


@contextmanager
def instance_lock(path: Path, now_ms: int, role: str = BOT) -> Iterator[Holder]:
    """Hold the lock for the length of the block.

    Args:
        path: the lock file; its folder is made, for this user alone.
        now_ms: time of the start, for the sidecar.
        role: what this process does while it holds the lock.

    Raises:
        LockedError: another instance holds it.
        StorageError: the file cannot be made or written, or others than this user could hold or replace it.
    """
    sidecar = sidecar_of(path)
    with _refused_as_error(path):
        make_folder(path.parent)
        _require_ours(path)
        lock = _acquired(path, sidecar)
    try:
        inode = path.stat().st_ino
        other = read_holder(sidecar)
        if other is not None and other.inode != inode and other.pid != os.getpid() and other.alive():
            raise _running(other, path)
        born = _process(os.getpid())[1]
        line = (other.lineage if other is not None else "") or secrets.token_hex(8)
        host = socket.gethostname()
        me = Holder(os.getpid(), host, now_ms, born, inode, role, str(path.absolute()), line)
        with _refused_as_error(sidecar):
            _write(sidecar, attrs.asdict(me))
        try:
            yield me
        finally:
            if read_holder(sidecar) == me:
                sidecar.unlink(missing_ok=True)
    finally:
        lock.release()


def sidecar_of(path: Path) -> Path:
    """Return the file that says who holds the lock ``path``."""
    return path.with_name(f"{path.name}.json")


def living_holder(path: Path) -> Holder | None:
    """Return the living process that holds the lock ``path``, as its sidecar says; takes no lock."""
    holder = read_holder(sidecar_of(path))
    return holder if holder is not None and holder.alive() else None


def refuse_if_held(path: Path) -> None:
    """Refuse early what the lock would refuse later, by its sidecar; takes no lock.

    Raises:
        LockedError: another living instance holds it.
    """
    holder = living_holder(path)
    if holder is not None and holder.pid != os.getpid():
        raise _running(holder, path)


def read_holder(sidecar: Path) -> Holder | None:
    """Return who holds or held the lock, None if the sidecar does not tell."""
    try:
        return Holder(**json.loads(sidecar.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _acquired(path: Path, sidecar: Path) -> FileLock:
    lock = FileLock(path, timeout=0, mode=_PRIVATE)
    try:
        lock.acquire()
    except Timeout:
        raise _running(read_holder(sidecar), path) from None
    return lock


def _running(holder: Holder | None, path: Path) -> LockedError:
    if holder is None:
        return LockedError("Instance already running", where=str(path), fix=_FIX)
    since = datetime.fromtimestamp(holder.started_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    who = f"process {holder.pid} on {holder.host} since {since}"
    if holder.role == DEAD_MAN:
        return LockedError(
            f"The dead man's switch is closing positions: {who}",
            where=str(path),
            fix="wait until it has finished, then see: cab dms status",
        )
    return LockedError(f"Instance already running: {who}", where=str(path), fix=_FIX)


def _process(pid: int) -> tuple[str, str]:
    """Return state and start, in ticks since boot, of a process (fields 3 and 22 of its stat); or blanks."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return "", ""
    fields = text.rpartition(")")[2].split()
    return fields[0], fields[19]


def _write(path: Path, content: Mapping[str, Any]) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file)
        draft.chmod(_PRIVATE)
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise


def _require_ours(path: Path) -> None:
    """Refuse a lock that somebody else could hold against the bot, or put another file in the place of.

    An older version made its locks readable for everybody; what is ours is made private.

    Raises:
        StorageError: the file is a link or another user's, or any user may replace it.
    """
    fix = "set INSTANCE_LOCK_PATH to a file in a folder of this user, or leave it empty"
    folder = path.parent.stat()
    if folder.st_mode & stat.S_IWOTH and not folder.st_mode & stat.S_ISVTX:
        what = "any user of this host may replace the lock in this folder"
        raise StorageError(what, where=str(path.parent), fix=fix)
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(found.st_mode):
        raise StorageError("the lock is a link", where=str(path), fix=fix)
    if found.st_uid != os.geteuid():
        what = f"the lock belongs to another user, {_user(found.st_uid)}"
        raise StorageError(what, where=str(path), fix=fix)
    if stat.S_IMODE(found.st_mode) & ~_PRIVATE:
        path.chmod(_PRIVATE)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


@contextmanager
def _refused_as_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"the instance lock cannot be written: {error.strerror}",
            where=str(path),
            fix="set INSTANCE_LOCK_PATH to a file in a folder you may write to",
        ) from error
