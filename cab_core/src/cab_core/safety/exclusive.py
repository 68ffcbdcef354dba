"""Being the only one: the instance lock, and the lock of the database file.

The instance lock may be named by a setting, so two bots may have two of them. What they must not share is
locked by itself: a lock beside the database, whatever INSTANCE_LOCK_PATH says; without it that is the one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cab_core.safety.instance_lock import BOT, Holder, instance_lock


def lock_of(database: Path) -> Path:
    """Return the lock of a database file; another name of the same file has the same one."""
    real = database.resolve()
    return real.with_name(f"{real.name}.lock")


@contextmanager
def exclusive(lock: Path, database: Path | None, now_ms: int, role: str = BOT) -> Iterator[Holder]:
    """Hold the instance lock and that of the database for the length of the block.

    Args:
        lock: the instance lock.
        database: the database file; None for one on a server, which keeps its own lock.
        now_ms: time of the start, for the sidecars.
        role: what this process does meanwhile.

    Raises:
        LockedError: another instance holds one of them.
        StorageError: a file cannot be made or written.
    """
    with ExitStack() as stack:
        holder = stack.enter_context(instance_lock(lock, now_ms, role))
        if database is not None and lock_of(database) != lock.resolve():
            stack.enter_context(instance_lock(lock_of(database), now_ms, role))
        yield holder
