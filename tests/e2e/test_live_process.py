"""A live bot as a process on real time: it starts, trades, drains, is killed, and is not started twice."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from live_desk import LiveDesk

from cab_core.domain.orders import Side

Desk = Callable[..., LiveDesk]


def entered(desk: LiveDesk) -> Callable[[], object]:
    """Say that an entry is filled and its stop rests."""
    return lambda: desk.filled(Side.BUY) and desk.stops()


@pytest.mark.catalogue(15)
@pytest.mark.timeout(120)
def test_it_trades_drains_and_goes_on_where_it_stopped(desk: Desk, database_url: str) -> None:
    live = desk(database_url)
    first = live.start()
    live.until(entered(live))
    told = live.finish(first)
    assert (told["ended"], told["mode"], told["failures"]) == ("SIGTERM", "live", {})
    live.assert_sound()
    live.assert_closed_or_guarded()
    second = live.start(buys=True)
    live.until_running()
    live.price("94")  # below the stop loss: the path of stops knows nothing of it, the bot sells
    live.until(lambda: live.filled(Side.SELL))
    told = live.finish(second)
    assert told["positions"] == {}
    assert len(live.filled(Side.BUY)) == 1  # the same candle is not traded again
    live.assert_sound()
    live.assert_closed_or_guarded()
    beside = {path.name for path in live.database.parent.iterdir() if path.is_file()}
    assert {f"{live.database.name}.ballast", f"{live.database.name}.starts.json"} <= beside


@pytest.mark.catalogue(15)
@pytest.mark.timeout(120)
def test_sigterm_with_an_order_in_flight(desk: Desk) -> None:
    live = desk()
    live.fault("delay", after=True, seconds=3)
    bot = live.start()
    live.until(lambda: live.filled(Side.BUY))
    assert live.finish(bot)["ended"] == "SIGTERM"
    live.assert_sound()
    live.assert_closed_or_guarded()


@pytest.mark.timeout(120)
def test_a_second_one_is_refused(desk: Desk) -> None:
    live = desk()
    bot = live.start()
    live.until(entered(live))
    second = live.cab("run", "--yes-live", "--json")
    assert second.returncode == 75
    assert "Instance already running" in second.stderr
    assert bot.poll() is None
    live.finish(bot)
    assert len(live.filled(Side.BUY)) == 1
    live.assert_sound()


@pytest.mark.catalogue(5, 16)
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", ["", "delay", "hang"])
def test_killed_around_an_order_and_started_again(desk: Desk, database_url: str, kind: str) -> None:
    live, chance = desk(database_url, DMS_ENABLED="false"), random.Random(kind)
    if kind:
        live.fault(kind, after=True, seconds=1 if kind == "delay" else 0)
    bot = live.start()
    live.until(lambda: live.injected() or (not kind and live.filled(Side.BUY)))
    time.sleep(chance.random() / 2)
    bot.kill()
    bot.communicate()
    bot = live.start()
    live.until_running()
    live.until(lambda: live.stops() and live.held)
    live.finish(bot)
    assert len(live.ledger("order")) == 1
    live.assert_sound()
    live.assert_closed_or_guarded()


MISSING: dict[str, dict[str, str]] = {
    "API_KEY": {"API_KEY": ""},
    "API_SECRET": {"API_SECRET": "changeme"},
    "API_TOKEN": {"API_TOKEN": "short"},
}


@pytest.mark.catalogue(107)
@pytest.mark.parametrize("name", MISSING)
def test_without_keys_or_token_it_does_not_start(desk: Desk, name: str) -> None:
    live = desk()
    refused = live.cab("run", "--yes-live", "--json", **MISSING[name])
    assert refused.returncode == 78
    assert name in refused.stderr
    assert live.ledger("order", "refused") == []
    assert not live.database.exists()


def test_without_a_confirmation_it_does_not_start(desk: Desk) -> None:
    live = desk()
    refused = live.cab("run", "--json")
    assert refused.returncode == 8
    told: dict[str, Any] = json.loads(refused.stderr.splitlines()[-1])["error"]
    assert "was not confirmed" in told["what"]
    assert "--yes-live" in told["fix"]
    assert not live.database.exists()


@pytest.mark.catalogue(62)
def test_keys_that_the_exchange_does_not_know_end_the_start(desk: Desk) -> None:
    live = desk(DMS_ENABLED="false")
    refused = live.cab("run", "--yes-live", "--json", API_KEY="somebody-elses-key-1")
    assert refused.returncode not in (0, 75)
    assert "somebody-elses-key-1" not in refused.stderr
    assert live.ledger("order") == []


def test_ctrl_c_ends_it_with_130(desk: Desk) -> None:
    live = desk()
    bot = live.start()
    live.until(entered(live))
    bot.send_signal(signal.SIGINT)
    out, _ = bot.communicate(timeout=60)
    assert bot.returncode == 130
    assert json.loads(out)["ended"] == "SIGINT"
    live.assert_sound()
    live.assert_closed_or_guarded()
