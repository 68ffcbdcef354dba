"""The dead man's switch beside a real bot: frozen in each state for a while, it goes on alone."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest
from freezing import STATES, T1, bring_to, pause
from live_desk import LiveDesk

from cab_core.domain.orders import Side
from cab_core.safety.latch import read_latch

Desk = Callable[..., LiveDesk]


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
