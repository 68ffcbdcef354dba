from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from cab_core.storage import Store, migrate, schema
from cab_core.storage.engine import sqlite_engine


def _columns(conn: sa.Connection) -> dict[str, list[tuple[object, ...]]]:
    tables = sa.inspect(conn).get_table_names()
    return {
        table: [tuple(row) for row in conn.exec_driver_sql(f"PRAGMA table_info('{table}')")]
        for table in tables
    }


def _others(conn: sa.Connection) -> list[tuple[object, ...]]:
    """Everything but tables, with its text; and whether the journal's numbers are never reused."""
    rows = conn.exec_driver_sql(
        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE type != 'table' ORDER BY type, name"
    )
    return [tuple(row) for row in rows]


def _journal_sql(conn: sa.Connection) -> str:
    return str(conn.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'journal'").scalar())


async def test_migrations_lead_to_the_schema_of_the_code(tmp_path: Path) -> None:
    created, migrated = tmp_path / "created.sqlite3", tmp_path / "migrated.sqlite3"
    await (await Store.open(created)).close()
    migrated.touch()
    with sqlite_engine(migrated).connect() as conn, conn.begin():
        migrate.upgrade(conn)

    with sqlite_engine(created).connect() as one, sqlite_engine(migrated).connect() as two:
        assert _columns(two) == _columns(one)
        assert _others(two) == _others(one)
        for conn in (one, two):
            assert "AUTOINCREMENT" in _journal_sql(conn)
            assert compare_metadata(MigrationContext.configure(conn), schema.metadata) == []
            assert migrate.revision(conn, "") == schema.HEAD


async def test_a_migrated_database_opens(tmp_path: Path) -> None:
    path = tmp_path / "migrated.sqlite3"
    path.touch()
    with sqlite_engine(path).connect() as conn, conn.begin():
        migrate.upgrade(conn)

    store = await Store.open(path)
    assert store.epoch == 1
    await store.close()


def test_head_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", "cab_core.storage:migrations")
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == schema.HEAD


def test_opening_imports_no_migration_tool_and_no_async_driver(tmp_path: Path) -> None:
    import subprocess
    import sys

    program = (
        "import asyncio, sys\n"
        "from cab_core.storage import Store, kv_load\n"
        "async def main():\n"
        "    store = await Store.open(sys.argv[1])\n"
        "    await store.transact(kv_load)\n"
        "    await store.close()\n"
        "asyncio.run(main())\n"
        "print([name for name in ('alembic', 'aiosqlite', 'asyncpg', 'sqlalchemy.ext.asyncio')"
        " if name in sys.modules])\n"
    )
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "x.sqlite3")],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == "[]"
