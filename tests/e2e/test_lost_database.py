"""Accounts with orders that a bot does not know: its database is lost, or another bot trades there, too."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from live_bench import RULES, SYMBOL, D
from live_desk import SECOND_KEY, LiveDesk

from cab_core.domain.money import floor_step
from cab_core.domain.orders import Side

Desk = Callable[..., LiveDesk]


def halts(live: LiveDesk) -> list[str]:
    """Return what the risk status of the account names."""
    done = live.cab("risk", "status", "--json")
    assert done.returncode == 0, done.stderr
    return [halt["rule"] for halt in json.loads(done.stdout)["halts"]]


def balance(live: LiveDesk) -> Any:
    holdings, _ = live.venue.call(lambda: live.venue.exchange.balances("main"))
    return holdings["BTC"].available + holdings["BTC"].locked


@pytest.mark.catalogue(39, 84)
@pytest.mark.timeout(300)
def test_it_keeps_its_stop_asks_a_person_and_sells_only_what_it_bought(desk: Desk) -> None:
    live = desk()
    live.venue.call(lambda: live.venue.exchange.adjust("main", "BTC", D(1)))
    first = live.start()
    live.until(lambda: live.filled(Side.BUY) and live.stops())
    live.finish(first)
    (stop,) = live.stops()
    for file in live.folder.glob("trader.sqlite3*"):
        file.unlink()

    second = live.start()
    live.until_running()
    live.until(lambda: live.held)
    assert live.held == live.bought
    assert halts(live) == ["unknown_orders"]
    assert "cab risk reset unknown_orders" in live.log(None)
    live.finish(second)
    assert [each.stop_id for each in live.stops()] == [stop.stop_id]

    third = live.start()  # what waits for a person waits over a restart
    live.until_running()
    assert halts(live) == ["unknown_orders"]
    assert [each.stop_id for each in live.stops()] == [stop.stop_id]
    released = live.cab("risk", "reset", "unknown_orders", "--json")
    assert [each["rule"] for each in json.loads(released.stdout)["released"]] == ["unknown_orders"]
    assert halts(live) == []

    live.price("94")  # below the stop loss: the path of stops knows nothing of it, the bot sells
    live.until(lambda: live.filled(Side.SELL) and not live.stops())
    told = live.finish(third)
    assert SYMBOL not in told["positions"]
    assert live.sold <= live.bought
    assert balance(live) >= 1
    assert len(live.filled(Side.BUY)) == 1
    checked = live.cab("verify", "--json")
    assert checked.returncode == 0, checked.stdout


@pytest.mark.catalogue(39)
@pytest.mark.timeout(400)
def test_a_second_bot_on_the_account_does_not_enter_and_shares_the_stop(desk: Desk, tmp_path: Path) -> None:
    one = desk()
    folder = tmp_path / "another"
    folder.mkdir()
    key, secret = SECOND_KEY
    two = attrs.evolve(one, folder=folder, started=[], settings={"API_KEY": key, "API_SECRET": secret})
    try:
        first = one.start()
        one.until(lambda: one.filled(Side.BUY) and one.stops())
        (stop,) = one.stops()
        second = two.start()
        two.until_running()
        two.until(lambda: two.held == one.bought)
        assert halts(two) == ["unknown_orders"]
        time.sleep(12)  # two reconciliations later nothing has moved
        assert [each.stop_id for each in one.stops()] == [stop.stop_id]
        assert stop.request.amount == floor_step(one.bought, RULES.amount_step)
        assert len({fill.order_id for fill in one.filled(Side.BUY)}) == 1
        for live, process in ((two, second), (one, first)):
            live.finish(process)
        one.assert_sound()
    finally:
        two.clean_up()
