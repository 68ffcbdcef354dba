"""Writing files so that a reader finds either the old content or the whole new one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

SHARED_MODE = 0o644


@contextmanager
def replacing(path: Path, mode: int = SHARED_MODE) -> Iterator[IO[bytes]]:
    """Write beside ``path`` to the disk, then let the new file take the name at once.

    The folder must exist. If the block raises, nothing half-written stays and an older file is kept.

    Args:
        path: the file to write or replace.
        mode: its permissions.
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
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
