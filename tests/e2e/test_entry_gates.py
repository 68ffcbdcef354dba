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
from live_desk import PROGRAM, LiveDesk, now_ms
from own_redis import running_redis

from cab_core.app.desk.views import Decision, Health, RiskView
from cab_core.domain.timeframes import TF_MS
from cab_core.safety.starts import record_start

Desk = Callable[..., LiveDesk]
Bot = subprocess.Popen[str]

#: The wall clock of the machine is put forward by 35 s once there is a file.
STEPS = (
    "import os, time; true_ns = time.time_ns; "
    "time.time_ns = lambda: true_ns() + 35_000_000_000 * os.path.exists('stepped')"
)

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
        while not over.wait(0.2):
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
def clock_stepped(live: LiveDesk) -> Iterator[Bot]:
    bot = live.start(program=f"{STEPS}; {PROGRAM}")
    live.until_running()
    (live.folder / "stepped").touch()
    yield bot


@contextmanager
def redis_away(live: LiveDesk) -> Iterator[Bot]:
    with running_redis(live.folder) as redis:
        bot = live.start(INSTANCE_KEY_URL=redis.url.reveal())
        live.until_running()
        redis.kill()
        yield bot


Fault = Callable[[LiveDesk], Any]

#: The reason, what causes it, and for how many seconds from the start on the entry is tried: the gate is shut
#: sooner on a machine that has time.
GATES: dict[str, tuple[Fault, int]] = {
    "safe_mode": (crash_loop, 12),
    "dms_down": (dead_watcher, 12),
    "disk_full": (full_disk, 12),
    "auto_paused": (slow_exchange, 20),
    "clock_skew": (clock_stepped, 60),
    "instance_unsure": (redis_away, 45),
}

#: What the alert says; elsewhere it names the reason.
ALERTS = {"auto_paused": "entries are paused: api_latency", "clock_skew": "off the exchange's; entries wait"}

#: The decision on a candle that never came: the bot gave it up before the gate was shut.
TOO_LATE = "stale_data"


def desk_in(desk: Desk, mode: str) -> LiveDesk:
    """Return an account whose newest candle is kept back, so that its entry waits."""
    live = desk(
        MODE=mode,
        EVAL_INTERVAL_SEC="1",
        DMS_ENABLED="false",
        CANDLE_GRACE_SEC="0",
    )
    live.hold_candles()
    return live


def let_entries_live(live: LiveDesk, seconds: int) -> None:
    """Let the entry of the newest candle be tried once a second for so long from now on, and no longer."""
    left_s = (TF_MS - now_ms() % TF_MS) // 1000
    if left_s < seconds + 10:  # the next candle would come first
        time.sleep(left_s + 1)
    passed_s = now_ms() % TF_MS // 1000
    live.settings = {**live.settings, "SIGNAL_TTL_SEC": str(passed_s + seconds)}


def decision_of(live: LiveDesk) -> Decision | None:
    """Return the newest decision, as the bot tells it."""
    return asyncio.run(live.bot().status()).symbols[0].last_decision


def under_fault(live: LiveDesk, reason: str, longer: int) -> tuple[RiskView, Health, Decision]:
    """Let an entry meet the shut gate; return what the bot said before, and what it decided."""
    fault, seconds = GATES[reason]
    let_entries_live(live, longer * seconds)
    with fault(live) as bot:
        live.until_running()
        live.until(lambda: live.blocked_by() == reason, longer * seconds + 60)
        risk, health = asyncio.run(live.bot().risk()), asyncio.run(live.bot().health())
        live.hold_candles(0)
        live.until(lambda: decision_of(live) is not None, longer * seconds + 60)
        decision = decision_of(live)
    live.finish(bot)
    assert decision is not None
    return risk, health, decision


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", ["paper", "live"])
def test_with_the_gate_open_the_entry_is_made(desk: Desk, mode: str) -> None:
    live = desk_in(desk, mode)
    bot = live.start(SIGNAL_TTL_SEC="900")
    live.until_running()
    assert asyncio.run(live.bot().risk()).entries_allowed
    live.hold_candles(0)
    live.until(lambda: live.held)
    live.finish(bot)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mode", ["paper", "live"])
@pytest.mark.catalogue(28, 70, 77, 164, 169, 192)
@pytest.mark.parametrize("reason", GATES)
def test_a_fault_that_shuts_the_gate_costs_the_entry_and_everybody_says_why(
    desk: Desk, mode: str, reason: str
) -> None:
    for longer in (1, 2, 4, 8):  # a busy machine may start the bot, or shut its gate, after the entry's time
        live = desk_in(desk, mode)
        risk, health, decision = under_fault(live, reason, longer)
        if decision.reason != TOO_LATE:
            break
    assert (risk.entries_allowed, risk.blocked_by) == (False, {SYMBOL: reason})
    assert health.status != "healthy"
    assert reason in health.components["risk"].detail
    assert (decision.action, decision.reason) == ("hold", reason)
    assert live.evidence.intents == []
    assert live.ledger("order") == []
    told = live.cab("why", decision.trace_id)
    assert reason in told.stdout, told.stderr
    assert ALERTS.get(reason, f"({reason})") in live.log(None)
