"""The journal: append-only, gapless, each row sealed by the hash of itself and its predecessor."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import sqlalchemy as sa

from cab_core.storage.meta import current_epoch
from cab_core.storage.schema import journal
from cab_core.storage.types import canonical

#: ``prev_hash`` of the first row.
GENESIS = "0" * 64

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
    for row in conn.execution_options(yield_per=1000).execute(query):
        yield JournalRow(*row)


def verify(conn: sa.Connection, *, newest: int | None = None) -> list[str]:
    """Check the chain and return what is wrong, empty if nothing.

    Args:
        conn: any connection.
        newest: check only so many of the newest rows; None checks all.
    """
    problems: list[str] = []
    last = conn.execute(_TAIL).first()
    start = 0 if newest is None or last is None else max(0, last.seq - newest)
    expected_seq, prev_hash = start + 1, GENESIS
    if start:
        anchor = conn.execute(sa.select(journal.c.hash).where(journal.c.seq == start)).scalar()
        prev_hash = anchor or GENESIS
    for row in rows(conn, after=start):
        if row.seq != expected_seq:
            problems.append(f"journal rows {expected_seq} to {row.seq - 1} are missing")
        elif row.prev_hash != prev_hash:
            problems.append(f"journal row {row.seq} does not follow row {row.seq - 1}")
        if row.seal() != row.hash:
            problems.append(f"journal row {row.seq} was changed after it was written")
        expected_seq, prev_hash = row.seq + 1, row.hash
    return problems + _cut_off(conn, expected_seq - 1)


def _cut_off(conn: sa.Connection, last_seq: int) -> list[str]:
    """Say if rows at the end are gone: SQLite remembers the largest ``seq`` ever given."""
    if conn.dialect.name != "sqlite":
        return []
    query = sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'journal'")
    largest = conn.execute(query).scalar() or 0
    return [f"journal rows {last_seq + 1} to {largest} are missing"] if largest > last_seq else []
