"""Text files as people's editors write them: UTF-8, or whatever the byte-order mark at their start says."""

from __future__ import annotations

import codecs
from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def has_mark(content: bytes) -> bool:
    """Say whether a file begins with a byte-order mark."""
    return any(content.startswith(mark) for mark, _ in _MARKS)


def decoded(content: bytes) -> str:
    """Return the text of a file's content, without its byte-order mark.

    Raises:
        UnicodeDecodeError: it is neither UTF-8 nor what its mark says.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding)
    return content.decode()


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is no text.
    """
    return decoded(path.read_bytes())
