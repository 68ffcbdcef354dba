"""The journal: append-only, gapless, each row sealed by the hash of itself and its predecessor."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import sqlalchemy as sa

from cab_core.storage.meta import current_epoch, get_meta
from cab_core.storage.schema import alembic_version, journal
from cab_core.storage.types import canonical

#: ``prev_hash`` of the first row.
GENESIS = "0" * 64

#: Under which name ``meta`` marks the newest row, ``SEQ:HASH``; a trigger does it.
HEAD_KEY = "journal_head"

_TAIL = sa.select(journal.c.seq, journal.c.hash).order_by(journal.c.seq.desc()).limit(1)
_INSERT = journal.insert()


@attrs.frozen(slots=True)
class JournalRow:
    """One sealed entry.

    Attributes:
        seq: 1, 2, 3 … without a gap.
        epoch: number of the start (of a writing instance) it belongs to.
        kind: what happened, e.g. ``order.planned``.
        ref: key of the thing it happened to, e.g. an intent key or a symbol.
        payload: canonical JSON text.
    """

    seq: int
    ts_ms: int
    epoch: int
    trace_id: str
    kind: str
    ref: str
    payload: str
    prev_hash: str
    hash: str

    def seal(self) -> str:
        """Return the SHA-256 this row must carry, in hexadecimal."""
        fields = [
            self.seq,
            self.ts_ms,
            self.epoch,
            self.trace_id,
            self.kind,
            self.ref,
            self.payload,
            self.prev_hash,
        ]
        return hashlib.sha256(canonical(fields).encode()).hexdigest()


def append(
    conn: sa.Connection,
    kind: str,
    payload: Mapping[str, Any],
    *,
    ts_ms: int,
    ref: str = "",
    trace_id: str = "-",
) -> int:
    """Append one row and return its ``seq``; part of the transaction whose change it records."""
    tail = conn.execute(_TAIL).first()
    seq, prev_hash = (1, GENESIS) if tail is None else (tail.seq + 1, tail.hash)
    row = JournalRow(seq, ts_ms, current_epoch(conn), trace_id, kind, ref, canonical(payload), prev_hash, "")
    values = attrs.asdict(row)
    values["hash"] = row.seal()
    conn.execute(_INSERT, values)
    return seq


def rows(conn: sa.Connection, *, after: int = 0) -> Iterator[JournalRow]:
    """Yield the rows with ``seq`` greater than ``after``, oldest first, without loading them all."""
    query = sa.select(journal).where(journal.c.seq > after).order_by(journal.c.seq)
    for row in conn.execute(query, execution_options={"yield_per": 1000}):
        yield JournalRow(*row)


@attrs.frozen(slots=True)
class Break:
    """A place where the chain is broken.

    Attributes:
        seq: the first row that is wrong or missing there.
    """

    seq: int
    text: str


def verify(conn: sa.Connection, *, newest: int | None = None) -> list[str]:
    """Check the chain and return what is wrong in words, empty if nothing; see `breaks`."""
    return [found.text for found in breaks(conn, newest=newest)]


def breaks(conn: sa.Connection, *, newest: int | None = None) -> Iterator[Break]:
    """Check the chain and yield what is wrong, in order.

    Rows that were changed, removed or moved are found, also those cut off the end: the database marks its
    newest row. Whoever can write to the file can forge all of it, mark included; what was told outside, such
    as the head in a daily report, still shows that (`holds_head`).

    Args:
        conn: any connection.
        newest: check only so many of the newest rows; None checks all.
    """
    last = conn.execute(_TAIL).first()
    start = 0 if newest is None or last is None else max(0, last.seq - newest)
    expected_seq, prev_hash = start + 1, GENESIS
    if start:
        anchor = conn.execute(sa.select(journal.c.hash).where(journal.c.seq == start)).scalar()
        prev_hash = anchor or GENESIS
    for row in rows(conn, after=start):
        if row.seq != expected_seq:
            yield Break(expected_seq, f"journal rows {expected_seq} to {row.seq - 1} are missing")
        elif row.prev_hash != prev_hash:
            yield Break(row.seq, f"journal row {row.seq} does not follow row {row.seq - 1}")
        if row.seal() != row.hash:
            yield Break(row.seq, f"journal row {row.seq} was changed after it was written")
        expected_seq, prev_hash = row.seq + 1, row.hash
    yield from _cut_off(conn, expected_seq - 1, prev_hash)


def head_text(conn: sa.Connection) -> str:
    """Return number and hash of the newest row, ``SEQ:HASH``, to be kept outside; ``0:0…`` without rows."""
    tail = conn.execute(_TAIL).first()
    return f"0:{GENESIS}" if tail is None else f"{tail.seq}:{tail.hash}"


def holds_head(conn: sa.Connection, seq: int, start: str) -> bool:
    """Say whether row ``seq`` still has the hash that begins with ``start``."""
    found = conn.execute(sa.select(journal.c.hash).where(journal.c.seq == seq)).scalar()
    return (GENESIS if seq == 0 else found or "-").startswith(start)


def _cut_off(conn: sa.Connection, last_seq: int, last_hash: str) -> Iterator[Break]:
    """Say if rows at the end are gone: a trigger marks the newest row, and SQLite keeps its number too."""
    seq, _, seal = (get_meta(conn, HEAD_KEY) or "0:").partition(":")
    largest = int(seq)
    if conn.dialect.name == "sqlite":
        query = sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'journal'")
        largest = max(largest, conn.execute(query).scalar() or 0)
    if largest > last_seq:
        yield Break(last_seq + 1, f"journal rows {last_seq + 1} to {largest} are missing")
    elif last_seq and (int(seq), seal) != (last_seq, last_hash) and (seal or _marks(conn)):
        yield Break(last_seq, f"journal row {last_seq} is not the one that was marked as the newest")


def _marks(conn: sa.Connection) -> bool:
    """Say whether this database marks its newest row: since revision 0003."""
    return (conn.execute(sa.select(alembic_version.c.version_num)).scalar() or "") >= "0003"
