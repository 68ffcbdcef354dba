"""Details of holds go after a time; rows, reasons and everything that led to an order stay."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.orders import Intent
from cab_core.domain.timeframes import DAY_MS, TF_MS
from cab_core.storage import Connection, Store, TraceRow, load_traces, packing, plan_intent, save_trace
from cab_core.storage.engine import sqlite_engine
from cab_core.storage.packing import pack, unpack
from cab_core.storage.reports import reason_counts
from cab_core.storage.retention import BITE, bite, due, give_back
from cab_core.storage.size import size_of
from cab_core.storage.types import canonical

NOW = 200 * DAY_MS
KEEP = 90 * DAY_MS


def trace(number: int, **changes: object) -> TraceRow:
    values: dict[str, object] = {
        "trace_id": f"{number:016x}",
        "symbol": "BTC/USDT",
        "candle_ts_ms": number * TF_MS,
        "close": Decimal("42.5"),
        "action": "hold",
        "reason": "all_hold",
        "payload": {"strategies": [{"name": "ema_atr", "data": {"atr": number / 7}}] * 9},
    }
    return TraceRow(**(values | changes))  # type: ignore[arg-type]  # a builder


def fill(conn: Connection, count: int) -> None:
    for number in range(count):
        save_trace(conn, trace(number), NOW)


async def test_details_of_old_holds_go_and_all_else_stays(store: Store, entry: Callable[..., Intent]) -> None:
    edge = (NOW - KEEP) // TF_MS
    kept = [
        trace(2, action="buy", reason="vote:5-2", order_key=entry().key),
        trace(3, reason="protected"),  # a stop fired within its candle
        trace(edge, reason="young"),
    ]
    thinned = [trace(1), trace(edge - 1)]
    missed = trace(4, close=None, reason="stale_data", payload={})

    def write(conn: Connection) -> None:
        for row in (*kept, *thinned, missed):
            save_trace(conn, row, NOW)
        plan_intent(conn, entry(trace_id=kept[0].trace_id))
        plan_intent(conn, entry(2, trace_id=kept[1].trace_id))

    await store.transact(write)
    counts = await store.read(lambda c: reason_counts(c, 0, NOW))
    take = partial(bite, now_ms=NOW, keep_ms=KEEP)
    assert (await store.read(partial(due, now_ms=NOW, keep_ms=KEEP))).holds == 2
    assert (await store.transact(take)).holds == 2
    assert not await store.transact(take)
    rows = {row.trace_id: row for row in await store.read(load_traces)}
    assert [rows[row.trace_id] for row in kept] == kept
    assert all(not rows[row.trace_id].payload for row in thinned)
    assert {row.reason for row in rows.values()} == {row.reason for row in (*kept, *thinned, missed)}
    assert await store.read(lambda c: reason_counts(c, 0, NOW)) == counts


async def test_a_large_past_goes_bite_by_bite_and_gives_its_room_back(store: Store, path: Path) -> None:
    await store.transact(partial(fill, count=3 * BITE + 7))
    before = (await store.read(size_of)).total
    take = partial(bite, now_ms=NOW, keep_ms=KEEP)
    bites = [(await store.transact(take)).holds for _ in range(5)]
    assert bites == [BITE, BITE, BITE, 7, 0]
    freed = 0
    while some := await store.transact(give_back):
        freed += some
    assert freed > 3 * BITE * 100
    after = await store.read(size_of)
    assert (after.total, after.empty, after.detailed) == (before - freed, 0, 0)
    await store.close()
    assert path.stat().st_size < before - freed / 2


def test_a_file_of_an_older_cab_gives_its_room_back_once_it_was_rewritten(path: Path) -> None:
    from cab_core.storage.upkeep import change, shrink

    path.parent.mkdir()
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as conn:
        conn.exec_driver_sql("CREATE TABLE t (x)")
        conn.exec_driver_sql("INSERT INTO t SELECT randomblob(100000)")
        conn.exec_driver_sql("DROP TABLE t")
    engine.dispose()
    assert change(path, give_back) == 0
    shrink(path)
    with sqlite_engine(path).connect() as conn:
        assert conn.exec_driver_sql("PRAGMA auto_vacuum").scalar() == 2


@given(st.text())
def test_what_is_packed_comes_back(text: str) -> None:
    assert unpack(pack(text)) == text


def test_the_dictionary_knows_the_words_of_a_trace() -> None:
    vote = {"action": "hold", "confidence_fused": 0.0, "confidence_raw": 0.0, "reason": "no_cross"}
    vote |= {"stopped_by": None, "version": "0.1.0"}
    votes = [
        {**vote, "name": name, "data": {"atr": number / 7}}
        for number, name in enumerate(("ema_cross", "supertrend", "an_outsider"))
    ]
    told = canonical({"action": "hold", "reason": "no_votes", "strategies": votes, "ai_probability": None})
    assert len(pack(told)) < len(zlib.compress(told.encode(), 9)) / 2


@pytest.mark.parametrize("packed", [b"", b"\x02x", pack("whole")[:-3], b"\x01\xff\xff"])
def test_a_damaged_or_unknown_body_is_refused(packed: bytes) -> None:
    with pytest.raises(ValueError, match="packed text"):
        unpack(packed)


def test_the_dictionary_of_a_format_never_changes() -> None:
    """Every database in use was written with it."""
    content = Path(packing.__file__).with_name("trace_dictionary_1.txt").read_bytes()
    assert hashlib.sha256(content).hexdigest() == (
        "20cad036acb31cc3f8784ceac9b821ca4a8b5ec43dde93104e7408c0bac9887a"
    )
    assert unpack(bytes.fromhex("01c30c602c6d0f00")) == '{"action":"hold","reason":"no_votes"}'
