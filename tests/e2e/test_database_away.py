"""A database that is away, cut off, frozen or kept by somebody else: the bot waits and goes on."""

from __future__ import annotations

import asyncio
import configparser
import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from database_servers import OwnServer, free_port, fresh_database, needs_own_postgres, own_server
from live_desk import LiveDesk
from run_desk import assert_as_if_never_interrupted, desk_of, wait_for

from cab_core.domain.orders import Intent, Purpose, Side, intent_key
from cab_core.errors import StorageAwayError
from cab_core.ports import Changes, Cycle
from cab_core.safety.ballast import Ballast, provident
from cab_core.safety.patience import Patience
from cab_core.storage import Store, intents_open, load_traces, visit
from cab_core.storage.records import Records

ROOT = Path(__file__).resolve().parents[2]

Desk = Callable[..., LiveDesk]

#: Seconds in which a stop ends a bot on a busy machine; the waits for a database are far longer.
PROMPT_S = 30


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with own_server() as started:
        yield started


@pytest.fixture
def url(server: OwnServer) -> Iterator[str]:
    with fresh_database(server.url) as made:
        yield made


def holding(live: LiveDesk) -> Callable[[], object]:
    return lambda: live.filled(Side.BUY) and live.stops()


def assert_it_sells_once_the_database_is_back(live: LiveDesk, back: Callable[[], None]) -> None:
    """Let an exit become due while the database cannot be written; ``back`` returns once it can."""
    bot = live.started[-1]
    live.price("94")  # below the stop loss: the path of stops knows nothing of it, the bot sells
    back()
    assert bot.poll() is None, live.log()
    live.until(lambda: live.filled(Side.SELL))
    told = live.finish(bot)
    assert (told["positions"], told["ended"]) == ({}, "SIGTERM")
    live.assert_sound()
    live.assert_closed_or_guarded()


@pytest.mark.catalogue(170)
@pytest.mark.postgres
@needs_own_postgres
@pytest.mark.timeout(180)
def test_a_stopped_server_costs_no_exit_and_no_record(desk: Desk, server: OwnServer, url: str) -> None:
    live = desk(url)
    live.start()
    live.until(holding(live))

    def twenty_seconds_later() -> None:
        time.sleep(20)
        sold = live.filled(Side.SELL)
        server.start()
        assert sold == []  # nothing is sent that is not on record

    server.stop()
    assert_it_sells_once_the_database_is_back(live, twenty_seconds_later)


@pytest.mark.catalogue(171, 172)
@pytest.mark.postgres
@needs_own_postgres
@pytest.mark.timeout(180)
def test_connections_that_are_cut_or_frozen_are_replaced(desk: Desk, server: OwnServer, url: str) -> None:
    live = desk(url)
    live.start()
    live.until(holding(live))
    assert server.terminate(url)
    frozen: list[int] = []

    def freeze() -> bool:
        frozen.extend(server.backends(url))
        return bool(frozen)

    live.until(freeze)
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)

    def fifteen_seconds_later() -> None:
        time.sleep(15)
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)

    assert_it_sells_once_the_database_is_back(live, fifteen_seconds_later)


@pytest.mark.catalogue(170, 171)
@pytest.mark.postgres
@needs_own_postgres
def test_a_recorded_run_ends_as_if_the_server_had_never_been_away(
    tmp_path: Path, server: OwnServer, url: str
) -> None:
    run = desk_of(tmp_path, ("BTC/USDT",), days=3, url=url)
    process = run.start()
    for cut in (20, 40):
        wait_for(run, cut, process)
        server.terminate(url)
    server.stop()
    time.sleep(2)
    server.start()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "the database answers again" in err
    assert run.evaluated() == 3 * 96
    assert_as_if_never_interrupted(run)


@pytest.mark.catalogue(170)
@pytest.mark.postgres
@needs_own_postgres
def test_a_start_waits_for_its_server_and_gives_up_so_that_it_is_started_again(
    tmp_path: Path, server: OwnServer, url: str
) -> None:
    run = desk_of(tmp_path, ("BTC/USDT",), days=1, url=url)
    server.stop()
    with pytest.raises(StorageAwayError) as gave_up:
        asyncio.run(Patience(limit_s=1).outlast(lambda: Store.open(url)))
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(ROOT / "ops/systemd/cab.service")
    final = unit["Service"]["RestartPreventExitStatus"].split()
    assert str(int(gave_up.value.exit_code)) not in final
    assert "DATABASE_URL" in gave_up.value.fix
    process = run.start()
    time.sleep(4)
    assert process.poll() is None
    server.start()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert run.evaluated() == 96


@pytest.mark.catalogue(170)
@pytest.mark.postgres
@needs_own_postgres
async def test_an_entry_does_not_wait_for_its_server(tmp_path: Path, server: OwnServer, url: str) -> None:
    key = intent_key("BTC/USDT", Side.BUY, Purpose.ENTRY, "1")
    entry = Intent(key, "BTC/USDT", Side.BUY, Purpose.ENTRY, "vote", "a" * 16, 1, cost=Decimal(50))
    cycle = Cycle(
        trace_id="a" * 16, symbol="BTC/USDT", candle_ts_ms=1, close=Decimal(1), action="buy", reason="vote",
        order_key=key, trace={},
    )  # fmt: skip
    store = await Store.open(url)
    storage = provident(Records(store, "paper"), Ballast(tmp_path / "ballast", size=4096, reserve=0))
    server.stop()
    try:
        planned = asyncio.create_task(
            storage.commit(Changes(ts_ms=1, trace_id="0" * 16, planned=((entry, {}),), cycle=cycle))
        )
        await asyncio.sleep(2)
        assert not planned.done()  # the decision is still to be recorded
    finally:
        await asyncio.to_thread(server.start)
    assert (await planned).refused == "storage_away"
    assert await store.read(intents_open) == []
    (trace,) = await store.read(load_traces)
    assert (trace.action, trace.reason, trace.order_key) == ("hold", "storage_away", None)
    await store.close()


@pytest.mark.catalogue(78)
@pytest.mark.timeout(180)
def test_another_program_that_keeps_the_file_for_long_costs_no_exit(desk: Desk) -> None:
    live = desk(PORT=str(free_port()))
    live.start()
    live.until(holding(live))
    with closing(sqlite3.connect(live.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        def long_after() -> None:
            refused = live.cab("pause", "--json")
            assert refused.returncode != 0  # an operator is told, not kept waiting
            time.sleep(25)  # several reconciliations, heartbeats of the watchdog, alerts
            assert live.filled(Side.SELL) == []
            other.execute("ROLLBACK")

        assert_it_sells_once_the_database_is_back(live, long_after)


@pytest.mark.catalogue(78)
@pytest.mark.timeout(120)
def test_an_entry_that_the_database_refused_is_told_by_that_reason_everywhere(desk: Desk) -> None:
    live = desk(
        DMS_ENABLED="false", EVAL_INTERVAL_SEC="1", CANDLE_GRACE_SEC="0", RECONCILE_INTERVAL_SEC="3600"
    )
    live.hold_candles()
    bot = live.start()
    live.until_running()
    with closing(sqlite3.connect(live.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        live.hold_candles(0)
        live.until(lambda: "it is tried again" in live.log(None))  # that it was refused is to be recorded
        other.execute("ROLLBACK")
        live.until(lambda: "BTC/USDT hold: " in live.log(None))
    told = live.finish(bot)
    (trace,) = visit(live.database, load_traces)
    assert (trace.action, trace.reason) == ("hold", "storage_busy")
    assert "BTC/USDT hold: storage_busy" in live.log(None)
    assert told["actions"] == {"hold": 1}
    assert live.ledger("order") == []


@pytest.mark.catalogue(170)
@pytest.mark.postgres
@needs_own_postgres
@pytest.mark.timeout(180)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_who_waits_for_the_database_is_stopped_by_one_signal(
    desk: Desk, server: OwnServer, url: str, number: int, code: int
) -> None:
    live = desk(url)
    bot = live.start()
    live.until(holding(live))
    server.stop()
    try:
        live.price("94")  # an exit is due, and cannot be recorded
        live.until(lambda: "it is tried again" in live.log(None))
        bot.send_signal(number)
        out, _ = bot.communicate(timeout=PROMPT_S)
        assert (bot.returncode, json.loads(out)["ended"]) == (code, signal.Signals(number).name), live.log()
        assert live.watched() == []
        again = live.start(buys=False)
        live.until(lambda: live.log(None).count("it is tried again") > 1)
        again.send_signal(number)
        assert again.wait(PROMPT_S) == 130, live.log()
    finally:
        server.start()
    last = live.start(buys=False)
    live.until(lambda: live.filled(Side.SELL))
    assert live.finish(last)["positions"] == {}
    live.assert_sound()
    live.assert_closed_or_guarded()
