"""Pages: every row exactly once, whatever is written while somebody turns them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cab_core.app.desk import lists
from cab_core.app.desk.desk import Filter
from cab_core.domain.orders import Fill, Intent, Purpose, Side
from cab_core.storage import (
    AuditEntry,
    Connection,
    Store,
    TraceRow,
    open_sync,
    plan_intent,
    save_fill,
    save_trace,
    write_audit,
)

SYMBOLS = ("BTC/USDT", "ETH/USDT")

#: When something happens, and to which symbol: many at the same time.
MOMENTS = st.lists(st.tuples(st.integers(1, 6), st.sampled_from(SYMBOLS)), max_size=12)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "empty.sqlite3"

    async def made() -> None:
        await (await Store.open(path)).close()

    asyncio.run(made())
    return path


def an_order(conn: Connection, ts_ms: int, symbol: str, number: int) -> str:
    intent = Intent(
        f"{symbol}|buy|entry|{number}", symbol, Side.BUY, Purpose.ENTRY, "why", f"{number:016x}", ts_ms,
        cost=Decimal(50),
    )  # fmt: skip
    assert plan_intent(conn, intent)
    return intent.client_id


def a_fill(conn: Connection, ts_ms: int, symbol: str, number: int) -> str:
    fill = Fill(
        f"t{number}", f"c{number}", symbol, Side.BUY, Decimal(1), Decimal(2), Decimal(0), "USDT", ts_ms
    )
    assert save_fill(conn, "paper", fill)
    return fill.trade_id


def a_decision(conn: Connection, ts_ms: int, symbol: str, number: int) -> str:
    candle = 1000 * ts_ms + number
    trace = TraceRow(
        trace_id=f"{number:016x}",
        symbol=symbol,
        candle_ts_ms=candle,
        close=Decimal(1),
        action="hold",
        reason="no_votes",
        payload={},
    )
    assert save_trace(conn, trace, ts_ms)
    return trace.trace_id


def a_mutation(conn: Connection, ts_ms: int, symbol: str, number: int) -> str:
    entry = AuditEntry(
        actor="anna", role="admin", surface="cli", action="x", target=symbol, trace_id=f"{number:016x}"
    )
    write_audit(conn, entry, ts_ms)
    return entry.trace_id


Page = Callable[[Connection, Filter], tuple[list[Any], str | None]]
Write = Callable[[Connection, int, str, int], str]


@contextmanager
def copy_of(template: Path, folder: Path) -> Iterator[Connection]:
    path = folder / "copy.sqlite3"
    path.write_bytes(template.read_bytes())
    with open_sync(path, read_only=False) as conn:
        yield conn


@pytest.mark.parametrize(
    ("page", "write", "name"),
    [
        (lists.orders, an_order, "client_id"),
        (lists.fills, a_fill, "trade_id"),
        (lists.decisions, a_decision, "trace_id"),
        (lists.audit, a_mutation, "trace_id"),
    ],
    ids=["orders", "fills", "decisions", "audit"],
)
def test_every_row_comes_once_though_more_are_written(
    page: Page, write: Write, name: str, template: Path, tmp_path: Path
) -> None:
    @settings(max_examples=15, deadline=None)
    @given(before=MOMENTS, between=st.lists(MOMENTS, max_size=4), limit=st.integers(1, 5))
    def turned(before: list[tuple[int, str]], between: list[list[tuple[int, str]]], limit: int) -> None:
        with copy_of(template, tmp_path) as conn:
            numbers = iter(range(1, 1000))
            there = [write(conn, ts_ms, symbol, next(numbers)) for ts_ms, symbol in before]
            coming, seen, after = iter(between), list[str](), ""
            while True:
                rows, following = page(conn, Filter(limit=limit, after=after))
                assert len(rows) <= limit
                seen += [getattr(row, name) for row in rows]
                if following is None:
                    break
                after = following
                for ts_ms, symbol in next(coming, []):
                    write(conn, ts_ms, symbol, next(numbers))
            assert len(seen) == len(set(seen))
            assert set(there) <= set(seen)

    turned()
