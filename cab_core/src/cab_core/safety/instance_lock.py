"""The instance lock: one bot per lock file on this host (spec 14).

The kernel frees the lock of a crashed process by itself, so a stale file is no lock. A sidecar
``<lock file>.json`` says who holds it. The lock belongs to a file, not to a name: should somebody delete the
file while an instance runs, a second one would lock a new file of the same name. The sidecar keeps it out.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
from filelock import FileLock, Timeout

from cab_core.errors import LockedError, StorageError

_SHARED = 0o644


@attrs.frozen(slots=True)
class Holder:
    """The instance that holds a lock, as its sidecar says.

    Attributes:
        started_ms: when it took the lock, epoch milliseconds.
        born: start of the process in the kernel's ticks, empty where the system does not tell; it
            distinguishes the process from a later one with the same id.
        inode: of the lock file it holds.
    """

    pid: int
    host: str
    started_ms: int
    born: str
    inode: int

    def alive(self) -> bool:
        """Say whether this very process still runs on this host."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # it lives, but belongs to somebody else
        return _born(self.pid) == self.born


@contextmanager
def instance_lock(path: Path, now_ms: int) -> Iterator[Holder]:
    """Hold the lock for the length of the block.

    Args:
        path: the lock file; its folder is made.
        now_ms: time of the start, for the sidecar.

    Raises:
        LockedError: another instance holds it.
        StorageError: the file cannot be made or written.
    """
    sidecar = path.with_name(f"{path.name}.json")
    with _refused_as_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _acquired(path, sidecar)
    try:
        inode = path.stat().st_ino
        other = read_holder(sidecar)
        if other is not None and other.inode != inode and other.pid != os.getpid() and other.alive():
            raise _running(other, path)
        me = Holder(os.getpid(), socket.gethostname(), now_ms, _born(os.getpid()), inode)
        with _refused_as_error(sidecar):
            _write(sidecar, attrs.asdict(me))
        try:
            yield me
        finally:
            if read_holder(sidecar) == me:
                sidecar.unlink(missing_ok=True)
    finally:
        lock.release()


def read_holder(sidecar: Path) -> Holder | None:
    """Return who holds or held the lock, None if the sidecar does not tell."""
    try:
        return Holder(**json.loads(sidecar.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _acquired(path: Path, sidecar: Path) -> FileLock:
    lock = FileLock(path, timeout=0, mode=_SHARED)
    try:
        lock.acquire()
    except Timeout:
        raise _running(read_holder(sidecar), path) from None
    return lock


def _running(holder: Holder | None, path: Path) -> LockedError:
    who = "" if holder is None else f": process {holder.pid} on {holder.host}"
    return LockedError(
        f"Instance already running{who}",
        where=str(path),
        fix="stop it first, or give this one INSTANCE_LOCK_PATH and DB_PATH of its own",
    )


def _born(pid: int) -> str:
    """Return the start of a process in ticks since boot (field 22 of its stat), empty if unknown."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]


def _write(path: Path, content: Mapping[str, Any]) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file)
        draft.chmod(_SHARED)
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise


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
