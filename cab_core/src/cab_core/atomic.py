"""Writing files so that a reader finds either the old content or the whole new one."""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import attrs

SHARED_MODE = 0o644

#: What `tempfile` makes of a draft's name, and what SQLite puts beside a draft that is a database.
_ENDING = r"\.[a-z0-9_]{8}(-journal|-wal|-shm)?"


def make_folder(path: Path) -> None:
    """Make a folder and those above it that are missing, each for this user alone, whatever the umask.

    `Path.mkdir` would give the folders above the permissions of the umask: whoever writes the first file,
    a report or a database, decides who may look into all the others. One that exists is left as it is.

    Raises:
        OSError: it cannot be made.
    """
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)  # another process may have been faster


@contextmanager
def replacing(path: Path, mode: int = SHARED_MODE) -> Iterator[IO[bytes]]:
    """Write beside ``path`` to the disk, then let the new file take the name at once.

    The folder must exist. If the block raises, nothing half-written stays and an older file is kept. If the
    process is killed, its draft stays; it is locked as long as its process lives, so that `abandoned` can
    tell.

    Args:
        path: the file to write or replace.
        mode: its permissions.
    """
    with _locked_draft(path) as file:
        draft = Path(file.name)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            draft.chmod(mode)
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


@contextmanager
def _locked_draft(path: Path) -> Iterator[IO[bytes]]:
    """Make a draft and lock it; one that was swept away between the two is made anew."""
    while True:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            with suppress(OSError):  # a file system without locks: nothing sweeps there either
                fcntl.flock(file.fileno(), fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                yield file
                return


@attrs.frozen(slots=True)
class Draft:
    """A file that `replacing` began and nobody will finish, with what SQLite left beside it."""

    path: Path
    size: int


def abandoned(folder: Path, name: str, *, sweep: bool = False) -> list[Draft]:
    """Return the drafts of a file, or of those whose names a pattern matches, that no living process writes.

    Args:
        folder: where to look; it need not exist.
        name: a regular expression for the names of the files that were to be written.
        sweep: remove them.
    """
    pattern = re.compile(rf"\.(?:{name}){_ENDING}")
    paths = sorted(folder.glob(".*")) if folder.is_dir() else []
    drafts = (_unheld(path, sweep) for path in paths if pattern.fullmatch(path.name))
    return [draft for draft in drafts if draft is not None]


def _unheld(path: Path, sweep: bool) -> Draft | None:
    """Return the draft if its lock is free, and remove it under that lock."""
    holder = Path(re.sub(r"-(journal|wal|shm)$", "", str(path)))
    try:
        file = os.open(holder if holder.exists() else path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        draft = Draft(path, path.stat().st_size)
        if sweep:
            path.unlink()
    except OSError:
        return None
    else:
        return draft
    finally:
        os.close(file)
