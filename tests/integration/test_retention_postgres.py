"""Details of old holds go on a server as on a file; a server of an older version is brought along."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal

import pytest
import sqlalchemy as sa
from database_servers import fresh_database, needs_postgres
from sqlalchemy.ext.asyncio import create_async_engine

from cab_core.cli import invoke
from cab_core.domain.timeframes import TF_MS
from cab_core.storage import (
    Connection,
    Store,
    bind_account,
    load_traces,
    migrate,
    schema,
    verify_journal,
    visit,
)
from cab_core.storage.retention import BITE

pytestmark = [pytest.mark.postgres, needs_postgres]

HOLDS = BITE + 3


@pytest.fixture
def url() -> Iterator[str]:
    with fresh_database() as made:
        yield made


def _older(conn: Connection) -> None:
    migrate.upgrade(conn, "0003")
    bind_account(conn, "paper:exchange")
    insert = sa.text(
        "INSERT INTO decision_trace VALUES (:id, 'BTC/USDT', :ts, '42.5', 'hold', 'all_hold', NULL, :body)"
    )
    rows = [
        {"id": f"{number:016x}", "ts": number * TF_MS, "body": json.dumps({"number": number})}
        for number in range(HOLDS)
    ]
    conn.execute(insert, rows)


async def _made(url: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as conn:
        await conn.run_sync(_older)
    await engine.dispose()
    await (await Store.open(url)).close()


def test_a_server_is_migrated_and_pruned(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(_made(url))
    traces = visit(url, load_traces)
    assert [trace.payload["number"] for trace in traces] == [*range(HOLDS)]
    assert {trace.close for trace in traces} == {Decimal("42.5")}
    assert visit(url, lambda c: c.execute(sa.select(schema.alembic_version)).scalar()) == schema.HEAD

    monkeypatch.setenv("DATABASE_URL", url)
    told = []
    for arguments in (["--dry-run"], [], []):
        capsys.readouterr()
        assert invoke(["maintenance", "prune", *arguments, "--json"]) == 0
        told.append(json.loads(capsys.readouterr().out)["holds"])
    assert told == [HOLDS, HOLDS, 0]
    thinned = visit(url, load_traces)
    assert [(row.trace_id, row.reason) for row in thinned] == [(row.trace_id, row.reason) for row in traces]
    assert not any(row.payload for row in thinned)
    assert visit(url, verify_journal) == []
