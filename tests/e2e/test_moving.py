"""``cab maintenance copy`` and ``backup``: an account moves between a file and a server and goes on there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import sqlalchemy as sa
from database_servers import SHARED, ask_server, fresh_database, needs_postgres
from run_desk import Desk, assert_as_if_never_interrupted, cut_off_entry, desk_of, wait_for

from cab_core.storage import Connection, NoDatabaseError, load_audit, schema, verify_journal

PROGRAM = "from cab_core.cli import main; main()"

pytestmark = [pytest.mark.postgres, needs_postgres, pytest.mark.reconciliation]


@pytest.fixture
def url() -> Iterator[str]:
    with fresh_database() as made:
        yield made


def command(*args: str) -> list[str]:
    return [sys.executable, "-c", PROGRAM, "maintenance", *args]


def cab(desk: Desk, *args: str) -> subprocess.CompletedProcess[str]:
    how: Any = {"cwd": desk.folder, "env": desk.environment()}
    return subprocess.run(command(*args), **how, capture_output=True, text=True, timeout=60, check=False)


def rows(conn: Connection) -> dict[str, list[str]]:
    """Return every row of every table but the mark of the journal's newest row, and no audit."""
    found = {}
    for table in schema.metadata.sorted_tables:
        query = sa.select(table)
        if table is schema.journal:
            query = query.where(table.c.kind != "audit")
        texts = (json.dumps([*row], default=str) for row in conn.execute(query))
        found[table.name] = sorted(text for text in texts if "journal_head" not in text)
    return found


def half_run(desk: Desk) -> None:
    """Run half of the candles and kill the bot, at a moment that changes no decision."""
    while not desk.evaluated() or cut_off_entry(desk):
        process = desk.start()
        wait_for(desk, desk.evaluated() + 100, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()


def test_half_a_run_on_a_file_goes_on_on_a_server_and_comes_back(tmp_path: Path, url: str) -> None:
    on_file = desk_of(tmp_path, ("BTC/USDT",), days=3)
    on_server = attrs.evolve(on_file, url=url)
    half_run(on_file)
    before = on_file.ask(rows)
    assert "would copy" in cab(on_file, "copy", "--to", url, "--dry-run").stdout
    done = cab(on_file, "copy", "--to", url, "--json")
    assert done.returncode == 0, done.stderr
    assert sum(json.loads(done.stdout)["rows"].values()) > 200
    assert on_server.ask(rows) == on_file.ask(rows) == before
    for each in (on_file, on_server):
        (audit,) = each.ask(load_audit)
        assert audit.entry.action == "maintenance.copy"
        assert each.ask(verify_journal) == []
    refused = cab(on_file, "copy", "--to", url)
    assert (refused.returncode, "not empty" in refused.stderr) == (8, True)

    on_server.finish()
    assert on_server.evaluated() == 3 * 96
    assert_as_if_never_interrupted(on_server)

    back = tmp_path / "db" / "back.sqlite3"
    assert cab(on_server, "copy", "--to", str(back)).returncode == 0
    assert not list(back.parent.glob("back.sqlite3-*"))
    assert Desk(tmp_path, on_file.symbols, str(back)).ask(rows) == on_server.ask(rows)
    assert cab(on_server, "copy", "--to", str(back)).returncode == 8


def until_rows_arrive(url: str) -> None:
    """Return while a copy into a database writes the journal: some tables are full, others still empty."""
    arriving = "SELECT FROM pg_stat_activity WHERE datname = '{}' AND query LIKE 'INSERT INTO journal %'"
    body = f"PERFORM pg_stat_clear_snapshot(); EXIT WHEN EXISTS ({arriving}); PERFORM pg_sleep(0.001);"
    wait = f"DO $$ BEGIN LOOP {body} END LOOP; END $$".format(sa.make_url(url).database)
    ask_server(SHARED, "SET statement_timeout = '60s'", wait)


def killed_copy(desk: Desk, url: str, moment: Callable[[], None]) -> None:
    copying = subprocess.Popen(command("copy", "--to", url), cwd=desk.folder, env=desk.environment())
    moment()
    copying.kill()
    assert copying.wait() != 0


def test_a_copy_killed_while_rows_arrive_leaves_both_sides_as_they_were(tmp_path: Path, url: str) -> None:
    on_file = desk_of(tmp_path, ("BTC/USDT",), days=2)
    on_file.finish()
    before = on_file.ask(rows)
    for _ in range(2):
        killed_copy(on_file, url, lambda: until_rows_arrive(url))
        assert on_file.ask(rows) == before
        with pytest.raises(NoDatabaseError):
            attrs.evolve(on_file, url=url).ask(rows)
    assert cab(on_file, "copy", "--to", url).returncode == 0
    assert attrs.evolve(on_file, url=url).ask(rows) == before


def test_nothing_is_moved_while_a_bot_runs(tmp_path: Path, url: str) -> None:
    desk = desk_of(tmp_path, ("BTC/USDT",), days=2)
    bot = desk.start(speed="1")
    while not desk.database.exists() or not (tmp_path / "lock.json").exists():
        time.sleep(0.05)
    assert cab(desk, "copy", "--to", url).returncode == 75
    bot.kill()
    bot.communicate()


def test_a_backup_of_a_server_is_a_file_that_leads_back(tmp_path: Path, url: str) -> None:
    desk = desk_of(tmp_path, ("BTC/USDT",), days=1, url=url)
    desk.finish()
    before = desk.ask(rows)
    made = cab(desk, "backup", "--json")
    assert made.returncode == 0, made.stderr
    file = Path(json.loads(made.stdout)["file"])
    assert cab(desk, "integrity", str(file)).returncode == 0
    assert str(file) in cab(desk, "rotate", "--json").stdout
    with fresh_database() as again:
        from_backup = Desk(tmp_path, desk.symbols, str(file))
        restored = cab(from_backup, "copy", "--to", again)
        assert restored.returncode == 0, restored.stderr
        assert attrs.evolve(desk, url=again).ask(rows) == before
