"""Whether a database is fit to trade on: its pages and the newest part of its journal."""

from __future__ import annotations

import sqlalchemy as sa

from cab_core.storage.journal import verify

#: Rows of the journal that are checked at a start; ``cab verify`` checks all of them.
NEWEST = 20_000


def damage(conn: sa.Connection) -> list[str]:
    """Return what is broken, empty if nothing is.

    The pages alone do not tell: a changed value leaves them whole, but not the chain of the journal.
    """
    pages: list[str] = []
    if conn.dialect.name == "sqlite":
        found = conn.exec_driver_sql("PRAGMA quick_check(3)").scalars().all()
        pages = [str(line) for line in found if line != "ok"]
    return pages or verify(conn, newest=NEWEST)
