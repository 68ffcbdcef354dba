"""What waits: entries after a riddle or a refusal, a refused exit, and a price that nobody has seen twice."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from live_bench import FLAT, MINUTE, START_MS, D, LiveBench

from cab_core.domain.orders import Purpose
from cab_core.domain.timeframes import TF_MS

Bench = Callable[..., LiveBench]


@pytest.mark.catalogue(19, 20)
async def test_a_symbol_is_not_entered_while_the_outcome_of_its_order_is_unknown(bench: Bench) -> None:
    live = bench(EXITS_INTERVAL_SEC="60")
    live.fault("cut", since=14.9)
    more = {"since": 14.9, "until_ms": START_MS + 55 * MINUTE, "times": None}
    live.fault("page_503", method="GET", path="/spot/(orders|my_trades)", **more)
    await live.run(60, buys=[0, 1])
    (entry,) = live.orders(Purpose.ENTRY)
    assert entry["state"] == "abandoned"
    rows = live.reasons
    assert rows[START_MS + TF_MS] == "broker_error"
    assert any(alert["severity"] == "critical" for alert in live.alerts)
    live.assert_sound()


@pytest.mark.catalogue(30)
async def test_an_account_whose_orders_are_refused_is_not_tried_for_entries(bench: Bench) -> None:
    live = bench()
    live.at(14, lambda: setattr(live.venue.exchange.conditions, "read_only", True))
    await live.run(35, buys=[0, 1])
    assert [order["state"] for order in live.orders(Purpose.ENTRY)] == ["rejected"]
    rows = live.reasons
    assert rows[START_MS] == "credentials"
    assert rows[START_MS + TF_MS] == "broker_error"
    assert [alert["severity"] for alert in live.alerts].count("critical") == 1


@pytest.mark.catalogue(30, 37)
async def test_a_refused_exit_is_tried_again_after_pauses_that_grow(bench: Bench) -> None:
    live = bench([FLAT, (93, 93, 93, 93)], EXITS_EXCHANGE_STOP="false", EXITS_INTERVAL_SEC="1")
    conditions = live.venue.exchange.conditions
    live.at(14, lambda: setattr(conditions, "read_only", True))
    live.at(22, lambda: setattr(conditions, "read_only", False))
    await live.run(25, buys=[-1])
    sent = [order["sent_ms"] for order in live.orders(Purpose.STOP_LOSS)]
    pauses = [round((later - one) / 1000) for one, later in pairwise(sent)]
    assert len(pauses) > 5
    assert all(abs(pause - due) <= 3 for pause, due in zip(pauses, [5, 10, 20, 40, *[60] * 20], strict=False))
    assert live.held == 0
    live.assert_sound()


@pytest.mark.catalogue(30, 37)
@pytest.mark.parametrize("restarts", [False, True], ids=["", "over a restart"])
async def test_a_refused_signal_exit_is_made_once_the_reason_has_passed(bench: Bench, restarts: bool) -> None:
    """No other signal comes, and no level is reached: nobody else would ask for it again."""
    live = bench(EXITS_EXCHANGE_STOP="false")  # a stop that cannot be lifted keeps the exit planned as well
    conditions = live.venue.exchange.conditions
    live.at(14, lambda: setattr(conditions, "read_only", True))
    if restarts:
        await live.run(18, buys=[-1], sells=[0])
        (planned,) = live.orders(Purpose.SIGNAL_SELL, state="planned")
        assert planned["attempt"] > 1
    live.at(20, lambda: setattr(conditions, "read_only", False))
    await live.run(24, buys=[-1], sells=[0])
    *refused, done = live.orders(Purpose.SIGNAL_SELL)
    assert {order["state"] for order in refused} == {"rejected"}
    assert done["state"] == "done"
    assert done["sent_ms"] - (START_MS + 20 * MINUTE) <= 80_000  # the longest pause and a look
    assert live.held == 0
    told = [alert["severity"] for alert in live.alerts if "exits are impossible" in alert["text"]]
    assert told == ["critical"]
    live.assert_sound()


async def test_a_sell_signal_after_a_refused_exit_is_an_exit_of_its_own(bench: Bench) -> None:
    """What fits no step of the exchange is told, kept on record, and made once the new step is known."""
    live = bench(EXITS_EXCHANGE_STOP="false")
    live.at(14, lambda: live.use_rules(amount_step=D("0.1")))
    await live.run(50, buys=[-1], sells=[0, 1])
    refused, done, *_, rest = live.orders(Purpose.SIGNAL_SELL)
    assert (refused["state"], refused["message"].partition(":")[0]) == ("rejected", "bad_precision")
    assert (done["state"], done["attempt"]) == ("done", 2)
    assert rest["state"] == "abandoned"  # less than a step by now
    assert live.sold() == D("0.4")


@pytest.mark.catalogue(24)
async def test_a_signal_exit_outlives_a_rate_limit_that_outlasts_its_retries(bench: Bench) -> None:
    live = bench(EXITS_EXCHANGE_STOP="false")
    until_ms = START_MS + 17 * MINUTE
    live.fault("too_many_requests", since=14, times=None, until_ms=until_ms)
    await live.run(19, buys=[-1], sells=[0])
    orders = live.orders(Purpose.SIGNAL_SELL)
    assert len(orders) > 5
    assert [order["state"] for order in orders[-2:]] == ["rejected", "done"]
    assert live.held == 0
    live.assert_sound()


@pytest.mark.catalogue(51)
async def test_a_pair_that_can_only_be_sold_is_not_tried_for_entries(bench: Bench) -> None:
    live = bench(EXITS_INTERVAL_SEC="60")
    live.at(5, lambda: setattr(live.pair, "trade_status", "sellable"))
    await live.run(80, buys=[4])  # the rules are read every hour
    rows = live.reasons
    assert rows[START_MS + 4 * TF_MS] == "not_tradable"
    assert live.orders(Purpose.ENTRY) == []
