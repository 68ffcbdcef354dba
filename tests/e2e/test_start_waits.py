"""What passes by itself is waited for at the start: told, answered by the API meanwhile, no exit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest
from live_desk import LiveDesk

from cab_core.domain.orders import Side
from cab_core.errors import CabError

pytestmark = pytest.mark.catalogue(193)

Desk = Callable[..., LiveDesk]
Fault = Callable[[LiveDesk], None]


def answered(kind: str) -> Fault:
    def begin(live: LiveDesk) -> None:
        live.fault(kind, after=False, method="", path="", times=None)

    return begin


def clock_off(live: LiveDesk) -> None:
    live.venue.call(lambda: setattr(live.venue.exchange.conditions, "clock_skew_ms", 45_000))


def maintenance(live: LiveDesk) -> None:
    live.venue.call(lambda: setattr(live.venue.exchange.conditions, "maintenance", True))


FAULTS: dict[str, Fault] = {
    "clock off": clock_off,
    "maintenance": maintenance,
    "403": answered("page_403"),
    "429": answered("too_many_requests"),
    "502": answered("page_502"),
    "connection cut": answered("cut"),
}


def end(live: LiveDesk) -> None:
    def mend() -> None:
        live.venue.faults.clear()
        live.venue.exchange.conditions.clock_skew_ms = 0
        live.venue.exchange.conditions.maintenance = False

    live.venue.call(mend)


def waiting(live: LiveDesk) -> str:
    """Return what the API says that the start waits for, empty while it does not answer."""
    with suppress(CabError, AssertionError):
        found = asyncio.run(live.bot().ready())
        return "" if found.ready else "; ".join(found.waiting_for)
    return ""


@pytest.mark.parametrize("name", FAULTS)
def test_flat_it_waits_and_then_trades(desk: Desk, name: str) -> None:
    live = desk(DMS_ENABLED="false")
    FAULTS[name](live)
    bot = live.start()
    live.until(lambda: "the start waits" in waiting(live), 120)
    status = asyncio.run(live.bot().status())
    assert [(each.state, each.blocked_by) for each in status.symbols] == [("starting", "starting")]
    assert asyncio.run(live.bot().health()).status == "unhealthy"
    assert bot.poll() is None
    end(live)
    live.until(lambda: live.filled(Side.BUY) and live.held)
    live.finish(bot)
    assert "start.waits: the start waits" in live.log(None)  # the alert
    live.assert_sound()


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_with_a_position_it_waits_calls_somebody_and_then_exits(desk: Desk, name: str) -> None:
    live = desk(DMS_ENABLED="false", EXITS_EXCHANGE_STOP="false")
    first = live.start()
    live.until(lambda: live.filled(Side.BUY) and live.held)
    live.finish(first)
    FAULTS[name](live)
    bot = live.start(buys=False)
    live.until(lambda: "the start waits" in waiting(live), 120)
    live.until(lambda: '"level": "critical"' in live.log(None))
    assert "positions are open that nobody looks after meanwhile" in live.log(None)
    live.price("94")
    end(live)
    live.until(lambda: live.filled(Side.SELL))
    assert live.finish(bot)["positions"] == {}
    live.assert_sound()


def test_a_name_that_is_not_resolved_is_waited_for(desk: Desk) -> None:
    live = desk(DMS_ENABLED="false")
    live.base_url = "https://exchange.invalid/api/v4"
    bot = live.start()
    live.until(lambda: "the start waits" in waiting(live), 120)
    refused = live.cab("pause")
    assert "the start waits" in refused.stderr
    bot.terminate()
    assert bot.wait(60) == 130


@pytest.mark.parametrize("name", ["API_KEY", "SYMBOLS"])
def test_wrong_settings_are_not_waited_for(desk: Desk, name: str) -> None:
    live = desk(DMS_ENABLED="false")
    wrong = {"API_KEY": "somebody-elses-key-1", "SYMBOLS": "NOPE/USDT"}
    assert live.cab("run", "--yes-live", "--json", **{name: wrong[name]}).returncode == 78
