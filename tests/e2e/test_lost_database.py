"""A bot whose database is lost, on an account where its owner has coins of his own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from live_bench import SYMBOL, D
from live_desk import LiveDesk

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
