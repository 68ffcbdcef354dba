"""A bot that is brought to a state of interest and stopped there, as a machine that hangs would do it."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from live_desk import LiveDesk

from cab_core.domain.orders import Side

#: Seconds of silence after which a bot is killed.
T1 = 3
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
