"""Whatever shuts the gate of entries does so in paper as in live: from the fault to the entry not made."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any

import pytest
from live_bench import SYMBOL
from live_desk import LiveDesk, now_ms
from own_redis import running_redis

from cab_core.domain.timeframes import TF_MS, floor_ms
from cab_core.safety.starts import record_start

Desk = Callable[..., LiveDesk]
Bot = subprocess.Popen[str]

#: A bot may grow files to this size: the ballast of 16 MiB finds no room, the database does.
SMALL_DISK = ("prlimit", "--fsize=8388608")


@contextmanager
def crash_loop(live: LiveDesk) -> Iterator[Bot]:
    for _ in range(5):
        record_start(live.database, now_ms())
    yield live.start()


@contextmanager
def dead_watcher(live: LiveDesk) -> Iterator[Bot]:
    """Let the dead man's switch die whenever it lives."""
    over = Event()

    def kill() -> None:
        while not over.wait(0.02):
            for pid in live.watched():
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)

    bot = live.start(DMS_ENABLED="true")
    live.until_running()
    killer = Thread(target=kill)
    killer.start()
    try:
        yield bot
    finally:
        over.set()
        killer.join()


@contextmanager
def full_disk(live: LiveDesk) -> Iterator[Bot]:
    if shutil.which("prlimit") is None:
        pytest.skip("needs prlimit")
    yield live.start(*SMALL_DISK)


@contextmanager
def slow_exchange(live: LiveDesk) -> Iterator[Bot]:
    bot = live.start()
    live.until_running()
    live.fault("delay", after=False, seconds=1.3, method="", path="", times=None)
    yield bot
    live.venue.call(live.venue.faults.clear)


@contextmanager
def clock_off(live: LiveDesk) -> Iterator[Bot]:
    bot = live.start()
    live.until_running()
    live.venue.call(lambda: setattr(live.venue.exchange.conditions, "clock_skew_ms", 45_000))
    yield bot


@contextmanager
def redis_away(live: LiveDesk) -> Iterator[Bot]:
    with running_redis(live.folder) as redis:
        bot = live.start(INSTANCE_KEY_URL=redis.url.reveal())
        live.until_running()
        redis.kill()
        yield bot


Fault = Callable[[LiveDesk], Any]

#: The reason, what causes it, and how many seconds after the start the gate is shut at the latest.
GATES: dict[str, tuple[Fault, int]] = {
    "safe_mode": (crash_loop, 15),
    "dms_down": (dead_watcher, 15),
    "disk_full": (full_disk, 15),
    "auto_paused": (slow_exchange, 30),
    "clock_skew": (clock_off, 80),
    "instance_unsure": (redis_away, 50),
}


#: What the alert says; elsewhere it names the reason.
ALERTS = {"auto_paused": "entries are paused: api_latency", "clock_skew": "off the exchange's; entries wait"}


def prepare(live: LiveDesk, after_s: int) -> int:
    """Keep the newest candle back, and let its entry be tried once a second until the gate is surely shut.

    Args:
        after_s: how long that takes from the start on; a start takes as long as this machine needs for it.

    Returns:
        Seconds from now on in which the entry is tried.
    """
    began = time.monotonic()
    live.cab("config", "show")
    seconds = after_s + 12 * round(1 + time.monotonic() - began)
    if now_ms() % TF_MS > TF_MS - 1000 * (seconds + 10):
        time.sleep((TF_MS - now_ms() % TF_MS) / 1000)
    passed_s = (now_ms() - floor_ms(now_ms(), TF_MS)) // 1000
    live.settings = {**live.settings, "SIGNAL_TTL_SEC": str(passed_s + seconds)}
    live.hold_candles()
    return seconds


def desk_in(desk: Desk, mode: str) -> LiveDesk:
    return desk(MODE=mode, EVAL_INTERVAL_SEC="1", DMS_ENABLED="false", CANDLE_GRACE_SEC="0")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", ["paper", "live"])
def test_with_the_gate_open_the_entry_is_made(desk: Desk, mode: str) -> None:
    live = desk_in(desk, mode)
    live.hold_candles()
    bot = live.start(SIGNAL_TTL_SEC="900")
    live.until_running()
    assert asyncio.run(live.bot().risk()).entries_allowed
    live.hold_candles(0)
    live.until(lambda: live.held)
    live.finish(bot)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["paper", "live"])
@pytest.mark.catalogue(28, 70, 77, 164, 169, 192)
@pytest.mark.parametrize("reason", GATES)
def test_a_fault_that_shuts_the_gate_costs_the_entry_and_everybody_says_why(
    desk: Desk, mode: str, reason: str
) -> None:
    fault, after_s = GATES[reason]
    live = desk_in(desk, mode)
    seconds = prepare(live, after_s)
    with fault(live) as bot:
        live.until_running()
        said = live.bot()
        live.until(lambda: live.blocked_by() == reason, seconds)
        risk, health = asyncio.run(said.risk()), asyncio.run(said.health())
        assert (risk.entries_allowed, risk.blocked_by) == (False, {SYMBOL: reason})
        assert health.status != "healthy"
        assert reason in health.components["risk"].detail
        live.hold_candles(0)
        live.until(lambda: getattr(decision_of(live), "reason", "") == reason, seconds + 20)
        trace_id = decision_of(live).trace_id
    live.finish(bot)
    assert live.evidence.intents == []
    assert live.ledger("order") == []
    assert reason in live.cab("why", trace_id).stdout
    assert ALERTS.get(reason, f"({reason})") in live.log(None)


def decision_of(live: LiveDesk) -> Any:
    """Return the newest decision, as the bot tells it."""
    return asyncio.run(live.bot().status()).symbols[0].last_decision
