"""Writes the files that a command makes: all of them or none."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from cab_core.atomic import SHARED_MODE, make_folder, replacing
from cab_core.errors import RefusedError

PRIVATE_MODE = 0o600


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
    with ExitStack() as drafts:  # if one cannot be written, all of them are dropped
        for path, text in contents.items():
            make_folder(path.parent)
            mode = PRIVATE_MODE if path in private else SHARED_MODE
            drafts.enter_context(replacing(path, mode)).write(text.encode())
