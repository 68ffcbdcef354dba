"""One bot per database and per account, whatever INSTANCE_LOCK_PATH says."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from database_servers import fresh_database, needs_postgres
from live_desk import LiveDesk
from run_desk import desk_of

Desk = Callable[..., LiveDesk]


@pytest.mark.catalogue(190)
@pytest.mark.parametrize("mode", ["paper", "live"])
def test_a_second_one_on_the_same_database_is_refused_with_another_lock(desk: Desk, mode: str) -> None:
    live = desk(MODE=mode, DMS_ENABLED="false")
    bot = live.start(buys=False)
    live.until_running()
    other_name = live.folder / "by-another-name.sqlite3"
    other_name.symlink_to(live.database)
    for path in (live.database, other_name):
        lock = str(live.folder / "another" / "lock")
        second = live.cab("run", "--yes-live", "--json", DB_PATH=str(path), INSTANCE_LOCK_PATH=lock)
        assert second.returncode == 75, second.stderr
        assert f"process {bot.pid} on" in second.stderr
    assert live.finish(bot)["ended"] == "SIGTERM"  # it went on, undisturbed
    live.assert_sound()


@pytest.mark.catalogue(190)
def test_a_second_one_on_the_same_account_is_refused_with_another_database(desk: Desk) -> None:
    live = desk(DMS_ENABLED="false")
    bot = live.start(buys=False)
    live.until_running()
    own = {name: str(live.folder / "another" / name) for name in ("INSTANCE_LOCK_PATH", "DB_PATH")}
    second = live.cab("run", "--yes-live", "--json", **own)
    assert second.returncode == 75, second.stderr
    assert f"trades this account: process {bot.pid}" in second.stderr
    assert live.venue.key not in second.stderr
    live.finish(bot)
    third = live.start(buys=False, **own)  # whoever ended is in nobody's way
    live.until_running()
    live.finish(third)


def test_a_bot_without_an_api_is_told_to_run(desk: Desk) -> None:
    live = desk(MODE="paper", API_ENABLED="false")
    bot = live.start(buys=False)
    live.until_running()
    for name in ("status", "health"):
        told = live.cab(name)
        assert f"a bot runs (pid {bot.pid}), but without an API" in told.stdout + told.stderr
        assert "NOT RUNNING" not in told.stdout
    live.finish(bot)


@pytest.mark.catalogue(190)
@pytest.mark.postgres
@needs_postgres
def test_a_second_one_on_a_server_is_refused_and_a_kill_frees_the_place(tmp_path: Path) -> None:
    with fresh_database() as url:
        one, another = (desk_of(tmp_path / name, days=2, url=url) for name in ("one", "another"))
        first = one.start(speed="1")
        end = time.monotonic() + 60
        while not one.evaluated():
            assert time.monotonic() < end
            time.sleep(0.1)
        second = another.start()
        told = second.communicate(timeout=60)[1]
        assert second.returncode == 75, told
        assert "Instance already running on this database: connected from" in told
        assert first.poll() is None
        first.kill()
        first.communicate()
        assert another.finish()["ended"] == "end"
