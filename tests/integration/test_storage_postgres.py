"""The storage on a real PostgreSQL server. Each test gets a database of its own."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import attrs
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from database_servers import SHARED, CutAtCommit, ask_server, fresh_database, needs_postgres
from sqlalchemy.ext.asyncio import create_async_engine

from cab_core.domain.orders import Fill, Intent, OrderState, Purpose, Side, intent_key
from cab_core.errors import StorageAwayError, StorageError
from cab_core.storage import (
    AccountRow,
    Connection,
    Halt,
    Store,
    TraceRow,
    intents_open,
    journal,
    journal_rows,
    kv_load,
    kv_save,
    load_account,
    load_fills,
    load_halts,
    load_state,
    migrate,
    plan_intent,
    release_halt,
    save_account,
    save_fill,
    save_halt,
    save_position,
    save_trace,
    schema,
    set_intent_state,
    verify_journal,
    visit,
)

pytestmark = [pytest.mark.postgres, needs_postgres]


@pytest.fixture
def url() -> Iterator[str]:
    """The URL of a new, empty database."""
    with fresh_database() as made:
        yield made


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    opened = await Store.open(url)
    yield opened
    await opened.close()


def _intent(ref: int = 1) -> Intent:
    key = intent_key("BTC/USDT", Side.BUY, Purpose.ENTRY, str(ref))
    return Intent(key, "BTC/USDT", Side.BUY, Purpose.ENTRY, "vote:5-2", "0" * 16, ref, cost=Decimal("50.10"))


FILL = Fill(
    "t1",
    "c1",
    "BTC/USDT",
    Side.BUY,
    Decimal("0.00081000"),
    Decimal("61240.10"),
    Decimal(0),
    "BTC",
    2_000_000_000_000,
    further_fees=(("GT", Decimal("0.00010")), ("POINT", Decimal(1))),
)


async def test_the_same_functions_work(store: Store) -> None:
    account = AccountRow(
        baseline=Decimal(10000),
        peak=Decimal(1),
        peak_since_ms=0,
        quote_free=Decimal(2),
        book={"a": []},
        updated_ms=1,
    )
    trace = TraceRow(
        trace_id="a",
        symbol="BTC/USDT",
        candle_ts_ms=900,
        close=None,
        action="buy",
        reason="filled",
        payload={},
    )

    def run(conn: Connection) -> None:
        assert plan_intent(conn, _intent())
        assert not plan_intent(conn, _intent())
        set_intent_state(conn, _intent().key, 1, OrderState.SENT, ts_ms=5)
        assert save_fill(conn, "paper", FILL)
        assert not save_fill(conn, "paper", FILL)
        save_position(conn, "BTC/USDT", {"stage": 0}, 5)
        save_account(conn, account)
        save_account(conn, account)
        assert save_trace(conn, trace, 5)
        assert save_halt(conn, Halt("max_drawdown", 5, None, "max_drawdown"))
        kv_save(conn, {"a": "1"})

    await store.transact(run)
    state = await store.read(load_state)

    assert state.account == account
    assert [(stored.intent, stored.state) for stored in state.open_intents] == [
        (attrs.evolve(_intent(), sent_ms=5), OrderState.SENT)
    ]
    assert (state.positions, state.last_candles) == ({"BTC/USDT": {"stage": 0}}, {"BTC/USDT": 900})
    (fill,) = await store.read(load_fills)
    assert fill == FILL
    assert (str(fill.quantity), str(fill.further_fees[0][1])) == ("0.00081000", "0.00010")
    assert await store.read(verify_journal) == []


async def test_a_failed_transaction_leaves_no_gap(store: Store) -> None:
    def fails(conn: Connection) -> None:
        plan_intent(conn, _intent())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.transact(fails)
    assert await store.transact(lambda c: journal(c, "test", {}, ts_ms=1)) == 1
    assert await store.read(intents_open) == []


async def test_concurrent_callers_are_put_in_a_row(store: Store) -> None:
    callers = [store.transact(lambda c: journal(c, "test", {}, ts_ms=1)) for _ in range(20)]
    assert sorted(await asyncio.gather(*callers)) == list(range(1, 21))
    assert await store.read(verify_journal) == []


@pytest.mark.parametrize(
    "statement", ["UPDATE journal SET kind = 'x'", "DELETE FROM journal", "TRUNCATE journal"]
)
async def test_the_journal_only_grows(store: Store, statement: str) -> None:
    await store.transact(lambda c: journal(c, "test", {}, ts_ms=1))
    with pytest.raises(StorageError, match="append-only"):
        await store.transact(lambda c: c.exec_driver_sql(statement))
    assert len(await store.read(lambda c: list(journal_rows(c)))) == 1


async def test_readers_cannot_write_and_commits_are_synchronous(store: Store) -> None:
    with pytest.raises(StorageError, match="read-only"):
        await store.read(lambda c: kv_save(c, {"a": "1"}))
    assert await store.transact(lambda c: c.exec_driver_sql("SHOW synchronous_commit").scalar()) == "on"


async def test_a_newer_instance_fences_off_the_older_one(store: Store, url: str) -> None:
    newer = await Store.open(url)
    assert newer.epoch == store.epoch + 1
    with pytest.raises(StorageError, match="another instance"):
        await store.transact(lambda c: kv_save(c, {"a": "old"}))
    assert await newer.read(kv_load) == {}
    await newer.close()


async def test_a_lost_connection_is_made_anew_and_stays_fenced(store: Store, url: str) -> None:
    server = create_async_engine(SHARED, isolation_level="AUTOCOMMIT")
    name = sa.make_url(url).database
    query = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"

    async with server.connect() as conn:
        await conn.exec_driver_sql(query)
        with pytest.raises(StorageError):
            await store.transact(lambda c: kv_save(c, {"a": "lost"}))
        await store.transact(lambda c: kv_save(c, {"a": "1"}))
        assert await store.read(kv_load) == {"a": "1"}

        newer = await Store.open(url)
        await newer.close()
        await conn.exec_driver_sql(query)
    await server.dispose()
    with pytest.raises(StorageError):
        await store.transact(lambda c: kv_save(c, {"a": "lost"}))
    with pytest.raises(StorageError, match="another instance"):
        await store.transact(lambda c: kv_save(c, {"a": "old"}))


def _tables(conn: Connection) -> dict[str, object]:
    """Columns, constraints, indexes and triggers as the server describes them."""
    queries = {
        "columns": "SELECT table_name, ordinal_position, column_name, data_type, is_nullable, column_default "
        "FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2",
        "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
        "constraints": "SELECT conname, contype::text, conrelid::regclass::text, conkey::text "
        "FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 3",
        "triggers": "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1",
    }
    return {name: [tuple(row) for row in conn.exec_driver_sql(query)] for name, query in queries.items()}


async def test_migrations_lead_to_the_schema_of_the_code(store: Store, url: str) -> None:
    created = await store.read(_tables)
    other = sa.make_url(url)
    name = f"{other.database}_migrated"
    server = create_async_engine(SHARED, isolation_level="AUTOCOMMIT")
    async with server.connect() as conn:
        await conn.exec_driver_sql(f"CREATE DATABASE {name}")
        engine = create_async_engine(other.set(database=name))
        async with engine.begin() as fresh:
            await fresh.run_sync(migrate.upgrade)
            assert await fresh.run_sync(_tables) == created
            differences = await fresh.run_sync(
                lambda c: compare_metadata(MigrationContext.configure(c), schema.metadata)
            )
            assert differences == []
        await engine.dispose()
        await conn.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    await server.dispose()


async def test_a_newer_schema_is_refused(url: str) -> None:
    store = await Store.open(url)
    await store.transact(lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '0999'"))
    await store.close()

    with pytest.raises(StorageError, match="schema 0999") as refused:
        await Store.open(url)
    assert str(sa.make_url(url).database) in refused.value.where


async def test_a_command_works_beside_the_instance(store: Store, url: str) -> None:
    await store.transact(lambda c: save_halt(c, Halt("daily_loss", 5, None, "daily_loss")))

    released = await asyncio.to_thread(
        visit, url, lambda c: release_halt(c, "daily_loss", by="alice", ts_ms=9), read_only=False
    )

    assert len(released) == 1
    (halt,) = await store.read(load_halts)
    assert halt.cleared_by == "alice"
    assert await store.read(load_account) is None


async def test_a_refused_login_names_the_server_but_not_the_password(url: str) -> None:
    wrong = sa.make_url(url).set(username="nobody_of_that_name", password="hunter2-canary")
    with pytest.raises(StorageError) as refused:
        await Store.open(wrong.render_as_string(hide_password=False))
    assert "hunter2-canary" not in f"{refused.value} {refused.value.fix}"
    assert "***" in refused.value.where


async def test_an_absent_server_is_a_clear_error() -> None:
    with pytest.raises(StorageError) as refused:
        await Store.open("postgresql+asyncpg://cab:hunter2-canary@127.0.0.1:1/cab")
    assert "127.0.0.1:1" in str(refused.value)
    assert "hunter2-canary" not in str(refused.value)


async def test_a_count_of_rows_that_the_driver_does_not_know_is_no_zero(store: Store) -> None:
    def behind_a_cursor(conn: Connection) -> None:
        kv_save(conn, {"a": "1"})
        kv_save(conn.execution_options(stream_results=True), {"a": "2"})

    with pytest.raises(StorageError, match="how many rows"):
        await store.transact(behind_a_cursor)


@pytest.mark.catalogue(173)
@pytest.mark.parametrize("heard", [True, False])
async def test_a_line_that_breaks_at_the_commit_leaves_no_doubt(url: str, heard: bool) -> None:
    line = CutAtCommit(sa.make_url(url))
    async with line.open():
        store = await Store.open(line.url)
        line.heard = heard
        if heard:
            assert await store.transact(lambda c: journal(c, "test", {}, ts_ms=1)) == 1
        else:
            with pytest.raises(StorageAwayError):
                await store.transact(lambda c: journal(c, "test", {}, ts_ms=1))
        assert await store.transact(lambda c: journal(c, "test", {}, ts_ms=2)) == 1 + heard
        assert await store.read(verify_journal) == []
        await store.close()


@pytest.mark.catalogue(171)
async def test_a_server_without_a_connection_left_is_away(url: str) -> None:
    limited = f"cab_{uuid.uuid4().hex[:12]}"
    await asyncio.to_thread(ask_server, SHARED, f"CREATE ROLE {limited} LOGIN CONNECTION LIMIT 0")
    try:
        as_limited = sa.make_url(url).set(username=limited).render_as_string(hide_password=False)
        with pytest.raises(StorageAwayError, match="too many connections"):
            await Store.open(as_limited)
    finally:
        await asyncio.to_thread(ask_server, SHARED, f"DROP ROLE {limited}")


async def test_a_command_that_writes_beside_the_instance_waits_for_its_turn(store: Store, url: str) -> None:
    def by_command(_: int) -> int:
        return visit(url, lambda c: journal(c, "test", {}, ts_ms=1), read_only=False)

    own = [store.transact(lambda c: journal(c, "test", {}, ts_ms=1)) for _ in range(40)]
    others = [asyncio.to_thread(by_command, n) for n in range(8)]
    assert sorted(await asyncio.gather(*own, *others)) == list(range(1, 49))
    assert await store.read(verify_journal) == []
