"""The regime's last state, and the readings of macro sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import sqlalchemy as sa

from cab_core.domain.regime import Reading, ReadingKind
from cab_core.storage.journal import append
from cab_core.storage.schema import macro_observations, regime_state
from cab_core.storage.sql import affected, insert_new, upsert


@attrs.frozen(slots=True, kw_only=True)
class RegimeRow:
    """The regime as last evaluated; it is the previous state of the hysteresis after a restart.

    Attributes:
        since_ms: since when ``state`` holds.
        payload: parts of the score and whatever else explains it, as JSON.
    """

    state: str
    score: float
    since_ms: int
    updated_ms: int
    payload: Mapping[str, Any]


def save_regime(conn: sa.Connection, row: RegimeRow, *, trace_id: str = "-") -> None:
    """Save the regime; a change of state or score is journalled."""
    before = load_regime(conn)
    values = attrs.asdict(row, recurse=False)
    upsert(conn, regime_state, {"id": 1}, values)
    if before is None or (before.state, before.score) != (row.state, row.score):
        append(conn, "regime", values, ts_ms=row.updated_ms, trace_id=trace_id)


def load_regime(conn: sa.Connection) -> RegimeRow | None:
    """Return the regime as last saved, None before the first evaluation."""
    row = conn.execute(sa.select(regime_state)).first()
    if row is None:
        return None
    names = (field.name for field in attrs.fields(RegimeRow))
    return RegimeRow(**{name: getattr(row, name) for name in names})


def save_reading(conn: sa.Connection, source: str, reading: Reading, fetched_ms: int) -> bool:
    """Keep a reading, return False if that of this instant is kept already. Input, so not journalled."""
    values = {
        "source": source,
        "fetched_ms": fetched_ms,
        "kind": reading.kind,
        "value": reading.value,
        "observed_ms": reading.observed_ms,
        "payload": {"events_ms": reading.events_ms, "event_day_ms": reading.event_day_ms},
    }
    return insert_new(conn, macro_observations, ("source", "fetched_ms"), values)


def load_readings(conn: sa.Connection, source: str, since_ms: int = 0) -> list[tuple[int, Reading]]:
    """Return ``(fetched_ms, reading)`` of a source, oldest first."""
    query = sa.select(macro_observations).where(
        macro_observations.c.source == source, macro_observations.c.fetched_ms >= since_ms
    )
    found = conn.execute(query.order_by(macro_observations.c.fetched_ms))
    return [(row.fetched_ms, _reading(row)) for row in found]


def prune_readings(conn: sa.Connection, before_ms: int) -> int:
    """Delete readings fetched before ``before_ms`` and return how many."""
    old = macro_observations.delete().where(macro_observations.c.fetched_ms < before_ms)
    return affected(conn.execute(old))


def _reading(row: sa.Row[Any]) -> Reading:
    return Reading(
        ReadingKind(row.kind),
        row.value,
        tuple(row.payload["events_ms"]),
        row.payload["event_day_ms"],
        row.observed_ms,
    )
