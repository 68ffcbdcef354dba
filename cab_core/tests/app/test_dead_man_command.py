"""From settings to the watching process, and the watch from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cab_core.app import dead_man
from cab_core.app.local_files import database_file, lock_file
from cab_core.app.outside import watch_outside
from cab_core.app.watcher import Duty, Watcher
from cab_core.errors import ConfigError
from cab_core.safety.dead_man import FlattenReport, State, Timing
from cab_core.safety.instance_lock import Holder, living_holder
from cab_core.safety.latch import latch_file, read_latch
from cab_core.safety.watchman import Watchman
from cab_core.settings import Settings, load_settings

RUN = {"MODE": "paper", "EXCHANGE": "gateio", "SYMBOLS": "BTC/USDT"}

HOLDING = """
import signal, sys, time
from pathlib import Path
from cab_core.safety.instance_lock import instance_lock
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
with instance_lock(Path(sys.argv[1]), 1700000000000):
    print("held", flush=True)
    time.sleep(600)
"""


def settings_of(folder: Path, **more: str) -> Settings:
    own = {"DB_PATH": str(folder / "db.sqlite3"), "INSTANCE_LOCK_PATH": str(folder / "lock")}
    return load_settings({**RUN, **own, **more}, folder).settings


def test_the_watching_process_gets_what_the_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(
        tmp_path, DMS_RESTART_SEC="7", DMS_TIMEOUT_SEC="20", DMS_RECHECK_SEC="0.5", DMS_RESTART="true"
    )
    command = dead_man.watch_command(
        settings,
        config=tmp_path / "cab.toml",
        overrides=["PORT=1", "LOG_LEVEL=DEBUG"],
        restart=["cab", "run", "--set", "A B"],
    )
    told: list[Watcher] = []
    monkeypatch.setattr(Watcher, "run", lambda self: told.append(self) or State.ENDED)
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    reader, writer = os.pipe()
    try:
        assert dead_man.main([*command[3:], "--beats-fd", str(reader), "--kernel-fd", "9"]) == 0
    finally:
        os.close(reader)
        os.close(writer)
        for number, handler in kept.items():
            signal.signal(number, handler)
    assert told[0].duty == Duty(
        database=tmp_path / "db.sqlite3",
        lock=tmp_path / "lock",
        timing=Timing(restart_after=7, flatten_after=20, recheck=0.5),
        restart=("cab", "run", "--set", "A B"),
        config=tmp_path / "cab.toml",
        overrides=("PORT=1", "LOG_LEVEL=DEBUG"),
    )
    assert told[0].machine.restarts


def test_it_restarts_nothing_unless_told_to(tmp_path: Path) -> None:
    assert "--restart" not in dead_man.watch_command(settings_of(tmp_path), restart=["cab", "run"])


def test_no_secret_is_on_the_command_line(tmp_path: Path) -> None:
    secret = "f3a9c1d2e4b5a697"
    settings = settings_of(tmp_path, API_KEY=secret, API_SECRET=secret, TELEGRAM_BOT_TOKEN="")
    assert secret not in json.dumps(dead_man.watch_command(settings))


@pytest.mark.parametrize(
    ("given", "watched"),
    [({}, False), ({"DMS_ENABLED": "true"}, True), ({"DMS_ENABLED": "false"}, False)],
)
def test_paper_is_watched_on_request(given: dict[str, str], watched: bool, tmp_path: Path) -> None:
    assert dead_man.wanted(settings_of(tmp_path, **given)) is watched


@pytest.mark.parametrize(("given", "watched"), [({}, True), ({"DMS_ENABLED": "false"}, False)])
def test_live_is_watched_unless_forbidden(given: dict[str, str], watched: bool, tmp_path: Path) -> None:
    key, token = "9b7d5f3e1c2a4860b7d5f3e1c2a48609", "0123456789abcdef"
    live = {"MODE": "live", "API_KEY": key, "API_SECRET": key, "API_TOKEN": token}
    assert dead_man.wanted(settings_of(tmp_path, **live, **given)) is watched


def test_there_must_be_time_between_kill_and_sale(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="DMS_TIMEOUT_SEC") as caught:
        settings_of(tmp_path, DMS_RESTART_SEC="30", DMS_RECHECK_SEC="10", DMS_TIMEOUT_SEC="50")
    assert "at least 100" in caught.value.problems[0].fix


def test_the_latch_lies_beside_the_database_in_use(tmp_path: Path) -> None:
    own = database_file(settings_of(tmp_path))
    assert own == tmp_path / "db.sqlite3"
    file = f"sqlite+aiosqlite:///{tmp_path / 'other.sqlite3'}"
    assert database_file(settings_of(tmp_path, DATABASE_URL=file)) == tmp_path / "other.sqlite3"
    server = "postgresql+asyncpg://me:pw@127.0.0.1/bot"
    named = tmp_path / "postgresql-127.0.0.1-5432-bot"  # so two bots with two servers have a latch each
    assert database_file(settings_of(tmp_path, DATABASE_URL=server)) == named


def test_a_waiting_watcher_has_loaded_nothing_heavy() -> None:
    probe = "import sys, cab_core.app.dead_man; print(*{name.partition('.')[0] for name in sys.modules})"
    out = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout
    loaded = set(out.split())
    assert "cab_core" in loaded
    assert not loaded & {
        *("asyncio", "ccxt", "cattrs", "dynaconf", "httpx", "numpy", "pluggy", "sqlalchemy", "stevedore"),
        *("structlog", "click", "filelock"),
    }


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the instance lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def holder_of(settings: Settings) -> Holder:
    holder = living_holder(lock_file(settings))
    assert holder is not None
    return holder


def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    timing = Timing(restart_after=0.3, flatten_after=0.6, recheck=0.1)
    monkeypatch.setattr("cab_core.app.outside.timing_of", lambda _: timing)


def test_from_outside_a_clean_stop_is_no_alarm(bot: subprocess.Popen[str], tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    holder = holder_of(settings)
    bot.terminate()
    assert watch_outside(settings, holder, act=True) == ""


@pytest.mark.parametrize("act", [True, False])
def test_from_outside_a_death_is_an_alarm(
    act: bool, bot: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast(monkeypatch)
    for name, value in {**RUN, "DB_PATH": str(tmp_path / "db.sqlite3")}.items():
        monkeypatch.setenv(name, value)
    settings = settings_of(tmp_path)
    holder = holder_of(settings)
    bot.kill()
    reason = watch_outside(settings, holder, act=act, flatten="standin_flatten:flatten")
    assert "without a goodbye" in reason
    assert latch_file(tmp_path / "db.sqlite3").exists() is act
    latch = read_latch(tmp_path / "db.sqlite3")
    assert (latch.report if latch else None) == (FlattenReport(("BTC/USDT",)) if act else None)


@pytest.fixture(autouse=True)
def standin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that closes positions, in a module of its own."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "standin_flatten.py").write_text(
        "from cab_core.safety.dead_man import FlattenReport\n"
        "async def flatten(settings):\n    return FlattenReport(tuple(settings.symbols))\n"
    )
    monkeypatch.syspath_prepend(str(folder))


def test_the_real_process_starts_from_the_settings_and_goes_with_a_goodbye(tmp_path: Path) -> None:
    watchman = Watchman.spawn(dead_man.watch_command(settings_of(tmp_path)))
    watchman.beat(1, 0, 0)
    assert watchman.alive()
    watchman.close()
    assert not watchman.alive()
