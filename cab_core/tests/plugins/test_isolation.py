from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import threading
import time

import pytest

from cab_core.plugins.answers import check_reading, check_verdict
from cab_core.plugins.guard import PATIENCE, HangGuard, PluginTimeout
from cab_core.plugins.isolation import (
    Caller,
    PluginJunk,
    PluginQuarantined,
    call_each,
    call_each_waiting,
)
from cab_core.sdk import ALLOW, Reading, ReadingKind, Verdict, VerdictKind

BUDGET = 0.05


def caller(call, check=check_verdict, budget=BUDGET, guard=None):
    return Caller("risk:mine", call, check, budget, guard or HangGuard())


def busy():
    while True:
        pass


def stubborn():
    while True:
        try:
            time.sleep(10)
        except Exception:  # noqa: BLE001 - the mistake that is tested
            continue


@pytest.mark.catalogue(94)
@pytest.mark.parametrize("hang", [busy, stubborn])
def test_code_that_hangs_is_stopped_at_its_budget(hang):
    began = time.perf_counter()
    outcome = caller(hang)()
    assert outcome.reason == "error:PluginTimeout"
    assert BUDGET <= time.perf_counter() - began < 1.0


def test_the_culprit_is_the_one_who_hangs_and_the_others_are_asked():
    guard = HangGuard()
    outcomes = call_each([caller(f, guard=guard) for f in (lambda: ALLOW, busy, lambda: ALLOW)])
    assert [outcome.reason for outcome in outcomes] == ["", "error:PluginTimeout", ""]


def test_earlier_calls_do_not_use_up_the_budget_of_later_ones():
    def nap():
        time.sleep(0.6 * BUDGET)
        return ALLOW

    guard = HangGuard()
    outcomes = call_each([caller(nap, guard=guard) for _ in range(4)])
    assert [outcome.reason for outcome in outcomes] == [""] * 4


def test_time_that_the_machine_spends_elsewhere_is_not_the_plugins():
    def delayed():
        time.sleep(2 * BUDGET)  # as if another process had the processor
        return ALLOW

    assert caller(delayed)().reason == ""


@pytest.mark.parametrize("fails", [False, True])
def test_garbage_is_not_collected_at_a_plugins_expense_and_is_again_afterwards(fails):
    seen = []

    def call():
        seen.append(gc.isenabled())
        if fails:
            raise ValueError
        return ALLOW

    caller(call)()
    assert seen == [False]
    assert gc.isenabled()


@pytest.mark.catalogue(95)
def test_code_that_sleeps_is_stopped_too():
    began = time.perf_counter()
    assert caller(lambda: time.sleep(60))().reason == "error:PluginTimeout"
    assert time.perf_counter() - began < 2 * PATIENCE * BUDGET + 1.0


def test_an_alarm_of_somebody_else_still_goes_off():
    rang = []
    before = signal.signal(signal.SIGALRM, lambda *_: rang.append(True))
    old = signal.setitimer(signal.ITIMER_REAL, 0.15)
    try:
        assert caller(busy)().reason == "error:PluginTimeout"
        assert not rang
        deadline = time.perf_counter() + 2.0
        while not rang and time.perf_counter() < deadline:
            time.sleep(0.01)
        assert rang
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *old)


def test_on_another_thread_a_late_answer_is_a_timeout_all_the_same():
    def late():
        time.sleep(1.2 * PATIENCE * BUDGET)
        return ALLOW

    found = []
    thread = threading.Thread(target=lambda: found.append(caller(late)()))
    thread.start()
    thread.join()
    assert [outcome.reason for outcome in found] == ["error:PluginTimeout"]


def test_arming_and_disarming_at_any_moment_leaves_no_alarm_behind():
    script = """
import time
from cab_core.plugins import guard
guard.TICK_S = 2e-5
alarm = guard.HangGuard()
for _ in range(20_000):
    with alarm:
        alarm.start(60.0)
        alarm.finish()
time.sleep(0.1)
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "alive"), done.stderr


@pytest.mark.catalogue(92, 93, 97)
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("x"), "error:ValueError"),
        (SystemExit(3), "error:SystemExit"),
        (AssertionError(), "error:AssertionError"),
        (asyncio.CancelledError(), "error:CancelledError"),
        (MemoryError(), "error:MemoryError"),
    ],
)
def test_whatever_is_raised_becomes_a_reason(error, reason):
    def raises():
        raise error

    outcome = caller(raises)()
    assert (outcome.value, outcome.error, outcome.reason) == (None, error, reason)


def test_the_users_interrupt_passes():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        caller(interrupted)()


def test_an_exception_that_cannot_be_printed_does_no_harm():
    class HostileError(Exception):
        def __str__(self):
            raise RuntimeError("no")

    def raises():
        raise HostileError

    tried = caller(raises)
    assert tried().reason == "error:HostileError"
    assert tried.strikes.last_error == "HostileError"


@pytest.mark.catalogue(96)
@pytest.mark.parametrize(
    "answer",
    [
        None,
        1.0,
        "allow",
        Verdict("allow"),
        Verdict(VerdictKind.REDUCE, 1.7, "big"),
        Verdict(VerdictKind.REDUCE, float("nan"), "nan"),
        Verdict(VerdictKind.REDUCE, factor=True, reason="bool"),
        Verdict(VerdictKind.REDUCE, "0.5", "text"),
        Verdict(VerdictKind.ALLOW, 0.5),
        Verdict(VerdictKind.DELAY, 0.5, "half"),
        Verdict(VerdictKind.HALT, 0.0, ""),
        Verdict(VerdictKind.HALT, 0.0, "x", until_ms=1.5),
    ],
)
def test_a_junk_verdict_never_allows(answer):
    outcome = caller(lambda: answer)()
    assert outcome.value is None
    assert isinstance(outcome.error, PluginJunk)


@pytest.mark.parametrize(
    "verdict",
    [
        ALLOW,
        Verdict(VerdictKind.REDUCE, 0.25, "correlation"),
        Verdict(VerdictKind.REDUCE, 1, "whole"),
        Verdict(VerdictKind.DELAY, 0.0, "cooldown"),
        Verdict(VerdictKind.HALT, 0.0, "daily_loss", until_ms=1),
        Verdict(VerdictKind.NOTE, 1.0, "busy"),
    ],
)
def test_a_sound_verdict_is_passed_on_unchanged(verdict):
    assert caller(lambda: verdict)().value is verdict


@pytest.mark.catalogue(94)
def test_three_strikes_within_twenty_calls_mean_quarantine_until_released():
    answers = iter([None, ALLOW, None, ALLOW, None, ALLOW])
    calls = []
    tried = caller(lambda: (calls.append(1), next(answers))[1])
    assert [tried().reason for _ in range(6)] == [
        "error:PluginJunk",
        "",
        "error:PluginJunk",
        "",
        "error:PluginJunk",
        "error:PluginQuarantined",
    ]
    assert len(calls) == 5
    assert isinstance(tried().error, PluginQuarantined)
    tried.strikes.release()
    assert tried().value is ALLOW


def test_strikes_far_apart_are_forgiven():
    answers = iter(([None] + [ALLOW] * 9) * 6)
    tried = caller(lambda: next(answers))
    assert {tried().reason for _ in range(60)} == {"", "error:PluginJunk"}


def test_raising_is_counted_but_no_strike():
    def raises():
        raise ValueError("no data")

    tried = caller(raises)
    assert {tried().reason for _ in range(10)} == {"error:ValueError"}
    assert (tried.strikes.failures, tried.strikes.quarantined) == (10, False)
    assert tried.strikes.last_error == "ValueError: no data"


async def test_waiting_calls_run_at_once_each_with_its_own_budget():
    async def quick():
        await asyncio.sleep(0.01)
        return Reading(ReadingKind.VALUE, 104.2)

    async def hangs():
        await asyncio.sleep(60)

    async def raises():
        raise OSError("unreachable")

    async def own_timeout():
        raise TimeoutError("socket")

    async def junk():
        return {"value": 104.2}

    async def cancels():
        raise asyncio.CancelledError

    def plain():
        return Reading(ReadingKind.CHANGE, 0.1)

    hooks = (quick, hangs, raises, own_timeout, junk, cancels, plain)
    began = time.perf_counter()
    outcomes = await call_each_waiting([caller(hook, check_reading, 0.2) for hook in hooks])
    assert time.perf_counter() - began < 2.0
    assert [outcome.reason for outcome in outcomes] == [
        "",
        "error:PluginTimeout",
        "error:OSError",
        "error:TimeoutError",
        "error:PluginJunk",
        "error:CancelledError",
        "",
    ]


@pytest.mark.catalogue(95)
async def test_a_waiting_hook_that_blocks_the_loop_is_stopped_too():
    def blocks():
        time.sleep(30)

    began = time.perf_counter()
    outcome = await caller(blocks, check_reading).wait()
    assert outcome.reason == "error:PluginTimeout"
    assert time.perf_counter() - began < 1.0
    await asyncio.sleep(0)  # the loop is alive


@pytest.mark.catalogue(93)
async def test_the_kernels_own_cancelling_is_not_swallowed():
    async def hangs():
        await asyncio.sleep(60)

    task = asyncio.create_task(caller(hangs, check_reading, 30.0).wait())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_timeouts_are_no_ordinary_exceptions():
    assert not issubclass(PluginTimeout, Exception)
