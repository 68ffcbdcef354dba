"""The dead man's switch beside a real bot: frozen in each state, it is closed out once, or goes on alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable

import pytest
from live_desk import LiveDesk

from cab_core.domain.orders import Side
from cab_core.safety.latch import read_latch

Desk = Callable[..., LiveDesk]

T1, T2 = 3, 20
STATES = ("flat", "position open", "entry in flight", "exit in flight", "TP1 just filled")


def pause(process: subprocess.Popen[str]) -> None:
    """Stop a process; not sooner has it stopped than this returns."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)


def bring_to(live: LiveDesk, state: str) -> subprocess.Popen[str]:
    """Start a bot and return when it is in a state, holding its breath there."""
    if state == "entry in flight":
        live.fault("delay", after=True, seconds=T1 + 2)
    bot = live.start(buys=state != "flat")
    if state == "flat":
        live.until_running()
        time.sleep(2)
    elif state == "entry in flight":
        live.until(lambda: live.filled(Side.BUY))
    else:
        live.until(lambda: live.filled(Side.BUY) and live.stops())
        time.sleep(1.5)
    if state == "exit in flight":
        live.fault("delay", after=True, seconds=T1 + 2)
        live.price("94")
        live.until(lambda: live.filled(Side.SELL))
    elif state == "TP1 just filled":
        live.price("103")
        live.until(lambda: live.filled(Side.SELL))
    return bot


@pytest.mark.catalogue(161, 162)
@pytest.mark.slow
@pytest.mark.timeout(280)
@pytest.mark.parametrize("state", STATES)
def test_dms_closes_position_correctly(desk: Desk, state: str) -> None:
    live = desk(DMS_RESTART_SEC=str(T1), DMS_TIMEOUT_SEC=str(T2), DMS_RECHECK_SEC="0.5")
    bot = bring_to(live, state)
    pause(bot)
    before = len(live.filled(Side.SELL))
    assert bot.wait(T2 + 20) == -signal.SIGKILL
    if state == "flat":
        live.until(lambda: not live.watched(), T2 + 40)
        assert read_latch(live.database) is None
        assert live.ledger("order") == []
        return
    live.until(lambda: (latch := read_latch(live.database)) is not None and latch.report, T2 + 90)
    live.until(lambda: not live.watched())
    assert len(live.filled(Side.SELL)) == (1 if state == "exit in flight" else before + 1)
    live.assert_sound()
    live.assert_closed_or_guarded()
    assert live.held == 0
    acknowledge(live)


def acknowledge(live: LiveDesk) -> None:
    """Check what the operator sees and does afterwards."""
    assert live.cab("dms", "status", "--json").returncode == 1
    refused = live.cab("run", "--yes-live", "--json")
    assert refused.returncode == 8
    assert "dms ack" in json.loads(refused.stderr.splitlines()[-1])["error"]["fix"]
    assert live.cab("dms", "ack", "--reason", "looked at the exchange, all flat").returncode == 0
    assert live.cab("dms", "status", "--json").returncode == 0


@pytest.mark.catalogue(162)
@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("state", STATES)
def test_woken_before_the_fence_it_goes_on_alone(desk: Desk, state: str) -> None:
    live = desk(DMS_RESTART_SEC=str(2 * T1), DMS_TIMEOUT_SEC="60", DMS_RECHECK_SEC="1")
    bot = bring_to(live, state)
    pause(bot)
    time.sleep(T1)
    bot.send_signal(signal.SIGCONT)
    if state == "flat":
        time.sleep(2)
    elif state == "exit in flight":
        live.until(lambda: not live.held)
    else:
        live.until(lambda: not live.held or live.stops())
    live.finish(bot)
    # After the first target the price may come back to break-even meanwhile: then the rest is sold, once.
    most = 2 if state == "TP1 just filled" else 1
    assert (state in STATES[3:]) <= len(live.filled(Side.SELL)) <= (state in STATES[3:]) * most
    assert read_latch(live.database) is None
    assert not live.watched()
    live.assert_sound()
    live.assert_closed_or_guarded()
