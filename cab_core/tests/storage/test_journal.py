from __future__ import annotations

import json
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cab_core.errors import StorageError
from cab_core.storage import Connection, Store, journal, journal_rows, open_sync, verify_journal

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


async def _filled(path: Path, rows: int = 5) -> None:
    store = await Store.open(path)

    def write(conn: Connection) -> None:
        for n in range(rows):
            journal(conn, "test", {"n": n}, ts_ms=n, ref="r", trace_id="t")

    await store.transact(write)
    await store.close()


def _raw(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as raw:
        for statement in statements:
            raw.execute(statement)
    raw.close()


_UNGUARDED = (
    "DROP TRIGGER journal_no_update",
    "DROP TRIGGER journal_no_delete",
    "DROP TRIGGER journal_no_replace",
)


@pytest.mark.catalogue(82)
@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        ("UPDATE journal SET payload = '{\"n\":7}' WHERE seq = 3", "row 3 was changed"),
        ("UPDATE journal SET ts_ms = 77 WHERE seq = 5", "row 5 was changed"),
        ("UPDATE journal SET epoch = 0 WHERE seq = 1", "row 1 was changed"),
        ("UPDATE journal SET trace_id = 'x' WHERE seq = 2", "row 2 was changed"),
        ("DELETE FROM journal WHERE seq IN (2, 3)", "rows 2 to 3 are missing"),
        ("DELETE FROM journal WHERE seq = 1", "rows 1 to 1 are missing"),
        ("DELETE FROM journal WHERE seq > 3", "rows 4 to 5 are missing"),
        ("DELETE FROM journal", "rows 1 to 5 are missing"),
    ],
)
async def test_damage_is_found(path: Path, damage: str, finding: str) -> None:
    await _filled(path)
    with open_sync(path) as conn:
        assert verify_journal(conn) == []

    _raw(path, *_UNGUARDED, damage)

    with open_sync(path) as conn:
        assert any(finding in problem for problem in verify_journal(conn))


@pytest.mark.catalogue(82)
async def test_a_row_that_was_replaced_and_resealed_breaks_the_chain(path: Path) -> None:
    await _filled(path)
    with open_sync(path) as conn:
        row = list(journal_rows(conn))[2]
    forged = attrs.evolve(row, ts_ms=999)
    _raw(path, *_UNGUARDED, f"UPDATE journal SET ts_ms = 999, hash = '{forged.seal()}' WHERE seq = 3")

    with open_sync(path) as conn:
        assert verify_journal(conn) == ["journal row 4 does not follow row 3"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET payload = '{}' WHERE seq = 1",
        "DELETE FROM journal WHERE seq = 1",
        "INSERT OR REPLACE INTO journal SELECT * FROM journal WHERE seq = 1",
    ],
)
async def test_the_journal_only_grows(path: Path, statement: str) -> None:
    await _filled(path, 2)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        _raw(path, statement)
    with pytest.raises(StorageError, match="append-only"), open_sync(path, read_only=False) as conn:
        conn.exec_driver_sql(statement)


async def test_the_newest_rows_can_be_checked_alone(path: Path) -> None:
    await _filled(path, 20)
    _raw(path, *_UNGUARDED, "UPDATE journal SET kind = 'x' WHERE seq = 5")

    with open_sync(path) as conn:
        assert verify_journal(conn, newest=10) == []
        assert verify_journal(conn, newest=16) == ["journal row 5 was changed after it was written"]


async def test_rows_carry_the_epoch_of_their_writer(path: Path) -> None:
    await _filled(path, 2)
    await _filled(path, 1)
    with open_sync(path, read_only=False) as conn:
        journal(conn, "command", {}, ts_ms=9)

    with open_sync(path) as conn:
        assert [row.epoch for row in journal_rows(conn)] == [1, 1, 2, 2]
        assert verify_journal(conn) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(payloads=st.lists(st.dictionaries(st.text(), _JSON, max_size=4), min_size=1, max_size=5))
async def test_any_payload_is_kept_and_sealed(store: Store, payloads: list[dict[str, Any]]) -> None:
    def write(conn: Connection) -> int:
        return max(journal(conn, "test", payload, ts_ms=1) for payload in payloads)

    last = await store.transact(write)
    rows = await store.read(lambda c: list(journal_rows(c, after=last - len(payloads))))

    assert [json.loads(row.payload) for row in rows] == payloads
    assert await store.read(verify_journal) == []


@pytest.mark.parametrize(
    ("value", "error"),
    [(float("nan"), ValueError), (Decimal("Infinity"), ValueError), (object(), TypeError), (b"x", TypeError)],
)
async def test_a_payload_without_json_form_is_refused(
    store: Store, value: object, error: type[Exception]
) -> None:

    def append(conn: Connection) -> int:
        return journal(conn, "test", {"value": value}, ts_ms=1)

    with pytest.raises(error):
        await store.transact(append)
    assert await store.read(lambda c: list(journal_rows(c))) == []
