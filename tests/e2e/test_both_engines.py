"""``cab run`` on a file and on a server: the same end, row by row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from database_servers import fresh_database, needs_postgres
from run_desk import Desk, assert_as_if_never_interrupted, desk_of

from cab_core.storage import Connection, schema

#: Hashes cover the trace ids, which are drawn anew in each run; ``meta`` marks the newest of them, and alerts
#: are delivered in real time.
_DRAWN = {"journal.hash", "journal.prev_hash"}
_LEFT_OUT = {"alembic_version", "meta", "outbox"}


def rows_of(conn: Connection) -> dict[str, list[str]]:
    """Return every row of every table as text, each trace id written as its symbol and candle."""
    found = {}
    for table in schema.metadata.sorted_tables:
        if table.name not in _LEFT_OUT:
            columns = [column for column in table.c if str(column) not in _DRAWN]
            rows = conn.execute(sa.select(*columns)).all()
            found[table.name] = [json.dumps([*row], default=str) for row in rows]
    names = {
        trace.trace_id: f"{trace.symbol}@{trace.candle_ts_ms}"
        for trace in conn.execute(sa.select(schema.decision_trace))
    }
    return {name: sorted(_named(row, names) for row in rows) for name, rows in found.items()}


def _named(row: str, names: dict[str, str]) -> str:
    for trace_id, name in names.items():
        row = row.replace(trace_id, name)
    return row


def told(desk: Desk) -> dict[str, Any]:
    return {name: value for name, value in desk.finish().items() if name != "market"}


@pytest.mark.postgres
@needs_postgres
def test_a_run_on_a_server_ends_like_one_on_a_file(tmp_path: Path) -> None:
    with fresh_database() as url:
        on_file, on_server = desk_of(tmp_path / "file", days=2), desk_of(tmp_path / "server", days=2, url=url)
        assert told(on_server) == told(on_file)
        assert on_server.ask(rows_of) == on_file.ask(rows_of)
        assert_as_if_never_interrupted(on_server)
