"""What a cycle leaves in the database: what happened, and nothing again and again."""

from __future__ import annotations

import json
from itertools import pairwise

from cab_core.storage import journal_rows, visit


async def test_account_and_position_are_journalled_when_they_change(bench):
    """A copy of both in each cycle filled two thirds of the journal."""
    desk = bench(bars=40)
    outcome = await desk.run()
    rows = visit(desk.database, lambda conn: list(journal_rows(conn)))
    accounts = [json.loads(row.payload) for row in rows if row.kind == "account"]
    for facts in accounts:
        del facts["updated_ms"]
    assert len(accounts) >= len(outcome.orders) > 5
    assert all(before != after for before, after in pairwise(accounts))
    states = [row.payload for row in rows if row.kind == "position"]
    assert len(states) >= len(outcome.orders)
    assert all(before != after for before, after in pairwise(states))
    assert len(rows) < 2 * desk.bars + 8 * len(outcome.orders)
