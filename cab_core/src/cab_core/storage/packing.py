"""Payloads of traces, packed: small enough to keep, and each readable alone.

A packed payload is one byte that names its format, then the body. Format 1 is raw deflate (RFC 1951) with a
fixed preset dictionary: traces say the same words again and again, but a single one is too short to teach
them to the compressor. Zstandard would take a quarter less than deflate here; that is not worth a compiled
dependency for rows of which most are thinned later.
"""

from __future__ import annotations

import json
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cab_core.storage.types import canonical

#: The format that is written. A format is never changed once released: databases are full of it.
FORMAT = 1

#: Deflate without a header, with the largest window and the most memory.
_RAW, _MEMORY, _BEST = -15, 9, 9


def pack(text: str) -> bytes:
    """Return a text in the newest format."""
    packer = zlib.compressobj(_BEST, zlib.DEFLATED, _RAW, _MEMORY, zdict=_dictionary(FORMAT))
    return bytes([FORMAT]) + packer.compress(text.encode()) + packer.flush()


def unpack(packed: bytes) -> str:
    """Return a packed text.

    Raises:
        ValueError: it is damaged, or of a format this version does not know.
    """
    if packed[:1] != bytes([FORMAT]):
        raise ValueError(f"a packed text of the unknown format {packed[:1].hex() or 'nothing'}")
    unpacker = zlib.decompressobj(_RAW, zdict=_dictionary(FORMAT))
    try:
        body = unpacker.decompress(packed[1:])
    except zlib.error as error:
        raise ValueError(f"a packed text is damaged: {error}") from error
    if not unpacker.eof:
        raise ValueError("a packed text is cut off")
    return body.decode()


@cache
def _dictionary(form: int) -> bytes:
    """Return the preset dictionary of a format: a few traces, without what differs in each."""
    return Path(__file__).with_name(f"trace_dictionary_{form}.txt").read_bytes()


class Packed(sa.types.TypeDecorator[Any]):
    """A mapping or list as packed canonical JSON, the same bytes on every engine."""

    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> bytes | None:  # noqa: ARG002 - signature of SQLAlchemy
        """Return the bytes to store."""
        return None if value is None else pack(canonical(value))

    def process_result_value(self, value: bytes | None, dialect: sa.Dialect) -> Any:  # noqa: ARG002 - signature of SQLAlchemy
        """Return the parsed value."""
        return None if value is None else json.loads(unpack(value))
