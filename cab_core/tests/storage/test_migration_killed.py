"""A real process is killed at every statement of a migration, with a position open."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa

from cab_core.errors import StorageError
from cab_core.storage import (
    Store,
    load_fills,
    load_positions,
    load_traces,
    migrate,
    save_position,
    schema,
    visit,
)
from cab_core.storage.engine import sqlite_engine
from cab_core.storage.migrate import look

FIRST = "0001"
STATE = {"id": "BTC/USDT@1", "quantity": "0.1"}

#: More traces than are packed at a time.
PAYLOADS = [f'{{"number":{number},"trend":{{"state":"up"}}}}' for number in range(1203)]

_MIGRATE = """
import asyncio, os, signal, sys
import sqlalchemy as sa
from cab_core.storage import Store

dies_at, seen = int(sys.argv[2]), 0

@sa.event.listens_for(sa.Engine, "before_cursor_execute")
def count(conn, cursor, statement, *rest):
    global seen
    if statement.lstrip().upper().startswith(("CREATE", "ALTER", "INSERT", "UPDATE", "DROP", "DELETE")):
        seen += 1
        if seen == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

async def main():
    await (await Store.open(sys.argv[1])).close()

asyncio.run(main())
"""


def of_the_first_release(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch()
    with sqlite_engine(path).connect() as conn, conn.begin():
        migrate.upgrade(conn, FIRST)
        save_position(conn, "BTC/USDT", STATE, 1_704_067_200_000)
        conn.exec_driver_sql(
            "INSERT INTO fills (exchange, symbol, trade_id, client_id, side, quantity, price, fee,"
            " fee_currency, ts_ms)"
            " VALUES ('gateio', 'BTC/USDT', '7', 't-c1', 'buy', '0.1', '100', '0.0001', 'BTC', 5)"
        )
        for number, payload in enumerate((*PAYLOADS, "{}")):
            close = "NULL" if payload == "{}" else "'42.5'"
            conn.exec_driver_sql(
                "INSERT INTO decision_trace VALUES"
                f" ('{number:016}', 'BTC/USDT', {900 * number}, {close}, 'hold', 'all_hold', NULL, ?)",
                (payload,),
            )


def everything(path: Path) -> list[tuple[object, ...]]:
    with sqlite_engine(path).connect() as conn:
        rows = [tuple(r) for r in conn.exec_driver_sql("SELECT name, sql FROM sqlite_master ORDER BY name")]
        for name in sorted(sa.inspect(conn).get_table_names()):
            rows += [tuple(row) for row in conn.exec_driver_sql(f"SELECT * FROM {name}")]
    return rows


@pytest.mark.catalogue(91)
async def test_a_killed_migration_leaves_the_old_database_and_the_next_start_migrates_it(path: Path) -> None:
    of_the_first_release(path)
    before, kills = everything(path), 0
    while True:
        command = [sys.executable, "-c", _MIGRATE, str(path), str(kills + 1)]
        code = subprocess.run(command, capture_output=True, timeout=60, check=False).returncode
        if code == 0:
            break
        assert code == -signal.SIGKILL
        kills += 1
        assert everything(path) == before
        assert look(path) == FIRST
    assert kills >= 2
    assert look(path) == schema.HEAD
    store = await Store.open(path)
    assert await store.read(load_positions) == {"BTC/USDT": STATE}
    traces = await store.read(load_traces)
    assert [trace.payload for trace in traces] == [*map(json.loads, PAYLOADS), {}]
    (fill,) = await store.read(load_fills)
    assert fill.fees == (("BTC", Decimal("0.0001")),)
    assert {trace.close for trace in traces[:-1]} == {Decimal("42.5")}
    await store.close()


def test_commands_refuse_a_database_that_is_to_be_migrated(path: Path) -> None:
    of_the_first_release(path)
    with pytest.raises(StorageError, match="older than this version"):
        visit(path, load_positions)
