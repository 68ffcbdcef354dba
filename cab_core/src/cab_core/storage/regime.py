"""The regime's last state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import sqlalchemy as sa

from cab_core.storage.journal import append
from cab_core.storage.schema import regime_state
from cab_core.storage.sql import upsert


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
