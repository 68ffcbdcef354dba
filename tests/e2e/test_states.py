"""Stop is a state of a bot: it goes on answering and guarding, and comes back stopped after a kill."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from live_desk import LiveDesk

SYMBOL = "BTC/USDT"

Desk = Callable[..., LiveDesk]


def status(live: LiveDesk) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(live.cab("status", "--json").stdout)
    return told


def answers(live: LiveDesk) -> bool:
    """Whether the bot itself answers: its API is opened last."""
    if live.endpoint() is None:
        return False
    told = status(live)
    return bool(told["running"]) and told["silent_pid"] is None


def of_symbol(live: LiveDesk) -> dict[str, Any]:
    found: dict[str, Any] = status(live)["symbols"][0]
    return found


@pytest.mark.catalogue(155, 156)
@pytest.mark.slow
@pytest.mark.parametrize("mode", ["paper", "live"])
@pytest.mark.timeout(240)
def test_a_stopped_bot_answers_and_guards_also_after_a_kill(desk: Desk, database_url: str, mode: str) -> None:
    """The last symbol is stopped with a position open, the process killed; the next one sells at the stop."""
    live = desk(url=database_url, MODE=mode, DMS_ENABLED="false", EXITS_EXCHANGE_STOP="false")
    bot = live.start()
    live.until(lambda: answers(live) and live.held > 0)
    told = json.loads(live.cab("stop", "--yes", "--json").stdout)
    assert told["states"] == {SYMBOL: "stopped"}
    (left,) = told["positions"]
    assert (left["symbol"], left["watched"], left["resting_stop"]) == (SYMBOL, True, None)
    assert bot.poll() is None
    assert of_symbol(live)["state"] == "stopped"
    live.kill(bot)

    bot = live.start(buys=False)
    live.until(lambda: f"{SYMBOL} is still stopped: cab start" in live.log(None))
    live.until(lambda: answers(live))
    shown = of_symbol(live)
    assert (shown["state"], shown["blocked_by"], shown["position"]["watched"]) == ("stopped", "stopped", True)
    live.price("90")  # below its stop
    live.until(lambda: live.held == 0)
    assert of_symbol(live)["state"] == "stopped"
    assert json.loads(live.cab("start", "--json").stdout)["states"] == {SYMBOL: "running"}
    live.kill(bot)

    bot = live.start(buys=False)
    live.until(lambda: answers(live))
    assert of_symbol(live)["state"] == "running"
    assert live.finish(bot)["failures"] == {}


@pytest.mark.catalogue(195)
@pytest.mark.slow
@pytest.mark.parametrize("mode", ["paper", "live"])
@pytest.mark.timeout(240)
def test_a_position_is_closed_by_hand_with_its_stop_while_stopped(desk: Desk, mode: str) -> None:
    live = desk(MODE=mode, DMS_ENABLED="false", SYMBOLS=SYMBOL)
    bot = live.start()
    live.until(lambda: live.endpoint() is not None)
    live.until(lambda: live.held > 0 and (mode == "paper" or live.stops()))
    live.cab("stop", "--yes")
    told = live.cab("close", SYMBOL, "--json")
    assert (told.returncode, live.held > 0) == (8, True), told.stderr  # not confirmed
    told = live.cab("close", SYMBOL, "--yes", "--reason", "on leave", "--json")
    assert told.returncode == 0, told.stderr
    done = json.loads(told.stdout)
    assert [(each["symbol"], each["state"]) for each in done["closings"]] == [(SYMBOL, "sold")]
    assert (live.held, done["positions"]) == (0, [])
    assert live.stops() == []
    again = live.cab("close", "--all", "--yes")
    assert again.returncode == 1
    assert "nothing is open" in again.stderr
    assert of_symbol(live)["state"] == "stopped"
    assert live.finish(bot)["failures"] == {}
    if mode == "live":
        live.assert_sound()
    off = live.cab("close", SYMBOL, "--yes")
    assert "cab run" in off.stderr
    assert off.returncode != 0
