"""What is let go after a time, in bites so small that whoever trades does not wait for them."""

from __future__ import annotations

import attrs
import sqlalchemy as sa

from cab_core.domain.timeframes import DAY_MS
from cab_core.storage.outbox import count_delivered, prune_outbox
from cab_core.storage.size import pragma
from cab_core.storage.traces import count_thinnable, thin_traces

#: Cycles of one bite: a few milliseconds of the one writing connection.
BITE = 500

#: Pages of SQLite given back in one bite: 1 MiB at most.
PAGES = 256

#: Delivered alerts are kept for surfaces that list them.
ALERTS_MS = 7 * DAY_MS


@attrs.frozen(slots=True)
class Gone:
    """What was let go, or would be: the details of so many holds, and so many delivered alerts."""

    holds: int = 0
    alerts: int = 0

    def __add__(self, other: Gone) -> Gone:
        """Return both together."""
        return Gone(self.holds + other.holds, self.alerts + other.alerts)

    def __bool__(self) -> bool:
        """Say whether it is anything."""
        return bool(self.holds or self.alerts)


def due(conn: sa.Connection, now_ms: int, keep_ms: int) -> Gone:
    """Return all that `bite` after `bite` would let go."""
    return Gone(count_thinnable(conn, now_ms - keep_ms), count_delivered(conn, now_ms - ALERTS_MS))


def bite(conn: sa.Connection, now_ms: int, keep_ms: int) -> Gone:
    """Let go of some of what is too old, and return what; nothing once all of it is gone.

    Args:
        conn: a writing connection.
        now_ms: the account's present.
        keep_ms: how long the details of holds are kept.
    """
    return Gone(thin_traces(conn, now_ms - keep_ms, BITE, now_ms), prune_outbox(conn, now_ms - ALERTS_MS))


def give_back(conn: sa.Connection) -> int:
    """Give some empty pages of a SQLite file back to the disk and return how many bytes that were.

    A file that an older cab made gives none before ``cab maintenance vacuum`` has rewritten it. PostgreSQL
    fills empty room again by itself.
    """
    if conn.dialect.name != "sqlite":
        return 0
    before = pragma(conn, "page_count")
    raw = conn.connection.cursor()
    try:
        raw.execute(f"PRAGMA incremental_vacuum({PAGES})")
        raw.fetchall()  # it works page by page, as long as somebody asks for more
    finally:
        raw.close()
    return (before - pragma(conn, "page_count")) * pragma(conn, "page_size")
