"""Writes files so that a reader finds either the old content or the whole new one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cab_core.errors import RefusedError

_PRIVATE = 0o600
_SHARED = 0o644


def write_new_files(
    contents: Mapping[Path, str], *, force: bool = False, private: frozenset[Path] = frozenset()
) -> None:
    """Write text files, all or none; folders are made.

    Args:
        contents: text by path.
        force: whether files that exist are replaced.
        private: files only the owner may read.

    Raises:
        RefusedError: a file exists and ``force`` is not given.
        OSError: a file cannot be written; none was changed.
    """
    existing = [str(path) for path in contents if path.exists()]
    if existing and not force:
        raise RefusedError(f"{', '.join(existing)} exists", fix="use --force to overwrite, or another --dir")
    written: list[tuple[Path, Path]] = []
    try:
        for path, text in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            written.append((_write_beside(path, text, _PRIVATE if path in private else _SHARED), path))
        for temporary, path in written:
            temporary.replace(path)
    finally:
        for temporary, _ in written:
            temporary.unlink(missing_ok=True)


def _write_beside(path: Path, text: str, mode: int) -> Path:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary
