"""The dead man's switch beside a real bot: frozen in each state for too long, it is closed out once."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import pytest
from database_servers import fresh_database, needs_postgres
from freezing import STATES, T1, bring_to, pause
from live_desk import LiveDesk

from cab_core.domain.orders import Side
from cab_core.safety.latch import read_latch

Desk = Callable[..., LiveDesk]

#: Seconds of silence after which its positions are closed; less is no valid setting.
T2 = 10
QUICK = {"DMS_RESTART_SEC": str(T1), "DMS_TIMEOUT_SEC": str(T2), "DMS_RECHECK_SEC": "0.5"}


@pytest.mark.catalogue(161, 162)
@pytest.mark.slow
@pytest.mark.timeout(280)
@pytest.mark.parametrize("state", STATES)
def test_dms_closes_position_correctly(desk: Desk, state: str) -> None:
    assert_it_closes_correctly(desk(**QUICK), state)


@pytest.mark.catalogue(161)
@pytest.mark.postgres
@needs_postgres
@pytest.mark.slow
@pytest.mark.timeout(280)
def test_a_position_on_record_on_a_server_is_closed_as_well(desk: Desk) -> None:
    with fresh_database() as url:
        assert_it_closes_correctly(desk(url, **QUICK), "position open")


def assert_it_closes_correctly(live: LiveDesk, state: str) -> None:
    """Freeze a bot in a state; its watcher kills it and sells what it held, once."""
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
    if state == "position open":
        acknowledge(live)


def acknowledge(live: LiveDesk) -> None:
    """Check what the operator sees and does afterwards."""
    assert live.cab("dms", "status", "--json").returncode == 1
    refused = live.cab("run", "--yes-live", "--json")
    assert refused.returncode == 8
    assert "dms ack" in json.loads(refused.stderr.splitlines()[-1])["error"]["fix"]
    assert live.cab("dms", "ack", "--reason", "looked at the exchange, all flat").returncode == 0
    assert live.cab("dms", "status", "--json").returncode == 0
