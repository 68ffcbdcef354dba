"""What the exchange, or somebody else on the account, does: late, doubled, partial, foreign, gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from live_bench import MINUTE, PAIR, START_MS, D, LiveBench

from cab_core.domain.money import floor_step
from cab_core.domain.orders import Purpose, Side, client_order_id
from cab_core.domain.timeframes import HOUR_MS
from cab_exchange_sim.engine import VenueSettings
from cab_exchange_sim.engine.values import Book, OrderRequest

Bench = Callable[..., LiveBench]


@pytest.mark.catalogue(41)
@pytest.mark.parametrize(
    "late", [["trade_delay_ms"], ["order_delay_ms"], ["trade_delay_ms", "order_delay_ms"]]
)
async def test_orders_and_trades_that_show_up_late(bench: Bench, late: list[str]) -> None:
    live = bench()
    for name in late:
        setattr(live.pair, name, 90_000)
    live.venue.exchange.conditions.balance_delay_ms = 90_000
    await live.run(25, buys=[-1], sells=[0])
    (entry,) = live.orders(Purpose.ENTRY)
    assert entry["state"] == "done"
    stop = live.orders(Purpose.STOP_LOSS)[0]
    if "trade_delay_ms" in late:  # nothing is sized on what is not confirmed
        assert stop["created_ms"] - entry["sent_ms"] >= 90_000
    assert live.held == 0
    live.assert_sound()


@pytest.mark.catalogue(41)
async def test_a_lost_answer_whose_order_shows_up_late(bench: Bench) -> None:
    """The scans that miss it come too early to prove anything."""
    live = bench()
    live.options = {"absence_margin_s": "60"}
    live.pair.order_delay_ms = live.pair.trade_delay_ms = 50_000
    live.fault("cut", after=True)
    await live.run(6, buys=[-1])
    assert [order["state"] for order in live.orders(Purpose.ENTRY)] == ["done"]
    assert live.held == live.bought() > 0
    live.assert_sound()


@pytest.mark.catalogue(42, 43)
async def test_trades_that_are_listed_twice_and_out_of_order(bench: Bench) -> None:
    live = bench()
    live.pair.doubled_trades = live.pair.unordered_trades = True
    levels = tuple((D(100) + D(n) / 100, D("0.1")) for n in range(1, 9))
    bids = tuple((D(100) - D(n) / 100, D("0.1")) for n in range(1, 9))
    live.pair.book = Book(bids, levels, live.venue.exchange.now_ms)
    await live.run(20, buys=[-1], sells=[0])
    assert len(live.fills) > 6
    assert live.held == 0
    live.assert_sound()


@pytest.mark.catalogue(36)
@pytest.mark.parametrize("part", ["0.4", "0.9"])
async def test_orders_that_fill_only_in_part(bench: Bench, part: str) -> None:
    live = bench()
    live.pair.fill_part, live.pair.finish_as = D(part), "depth_not_enough"
    await live.run(5, buys=[-1])
    first = live.bought()
    assert 0 < live.held == first < D("0.46")
    live.assert_sound()
    await live.run(25, buys=[-1], sells=[0])
    assert live.bought() == first
    assert live.held == 0
    assert first - live.sold() < D("0.03")  # what is left is worth less than the least order
    assert len(live.orders(Purpose.SIGNAL_SELL)) > 1
    live.assert_sound()


@pytest.mark.catalogue(37)
async def test_an_entry_the_account_cannot_pay_is_over(bench: Bench) -> None:
    live = bench()
    live.at(0.01, lambda: live.venue.exchange.adjust("main", "USDT", D(-9_990)))
    await live.run(10, buys=[-1])
    assert [order["state"] for order in live.orders(Purpose.ENTRY)] == ["rejected"]
    assert live.fills == []
    live.assert_sound()


@pytest.mark.catalogue(38)
async def test_foreign_orders_are_left_alone(bench: Bench) -> None:
    live = bench()
    resting = OrderRequest(
        pair=PAIR, side=Side.BUY, type="limit", amount=D(1), price=D(50), tif="gtc", text="t-mine"
    )
    live.at(3, lambda: live.venue.exchange.phantom("main", resting))
    await live.run(20, buys=[-1], sells=[0])
    (order,) = live.venue.exchange.open_orders("main", PAIR)
    assert order.text == "t-mine"
    assert live.held == 0
    live.assert_sound()


@pytest.mark.catalogue(39)
async def test_an_unknown_order_of_our_prefix_is_cancelled_and_calls_a_person(bench: Bench) -> None:
    live = bench()
    text = client_order_id("of another database", 1)
    stray = OrderRequest(
        pair=PAIR, side=Side.BUY, type="limit", amount=D("0.1"), price=D(50), tif="gtc", text=text
    )
    live.at(2, lambda: live.venue.exchange.phantom("main", stray))
    await live.run(5, buys=[-1])
    assert live.venue.exchange.open_orders("main", PAIR) == []
    assert any(alert["severity"] == "critical" for alert in live.alerts)
    assert any(event.ref for event in live.evidence.of_kind("order.stray.cancel"))
    assert live.held == live.bought()
    live.assert_sound()


@pytest.mark.catalogue(39)
async def test_trades_of_an_unknown_order_of_our_prefix_are_adopted_and_protected(bench: Bench) -> None:
    live = bench()
    text = client_order_id("of another database", 1)
    stray = OrderRequest(pair=PAIR, side=Side.BUY, type="market", amount=D(50), tif="ioc", text=text)
    live.at(2, lambda: live.venue.exchange.phantom("main", stray))
    await live.run(8)
    assert live.held > 0
    assert any(alert["severity"] == "critical" for alert in live.alerts)
    live.assert_guarded()


@pytest.mark.catalogue(39)
async def test_trades_that_could_not_be_listed_before_a_restart_are_found_after_it(bench: Bench) -> None:
    """What was compared counts, not what was written: cycles went on meanwhile."""
    live = bench()
    text = client_order_id("of another database", 1)
    stray = OrderRequest(pair=PAIR, side=Side.BUY, type="market", amount=D(50), tif="ioc", text=text)
    live.fault(
        "server_error",
        method="GET",
        path="/spot/my_trades",
        times=None,
        since=1.5,
        until_ms=START_MS + 50 * MINUTE,
    )
    live.at(2, lambda: live.venue.exchange.phantom("main", stray))
    await live.run(48)
    assert live.held == 0
    await live.run(60)
    assert live.held > 0
    assert any("unknown order" in a["text"] for a in live.alerts if a["severity"] == "critical")
    live.assert_guarded()


@pytest.mark.catalogue(46)
async def test_base_sold_by_hand_shrinks_the_position_and_its_stop(bench: Bench) -> None:
    live = bench()
    live.at(3, lambda: live.by_hand(Side.SELL, "0.2"))
    await live.run(10, buys=[-1])
    assert live.held == live.bought() - D("0.2")
    assert [event.facts["reason"] for event in live.evidence.of_kind("position.adjusted")] == [
        "external_sell"
    ]
    live.assert_guarded()


@pytest.mark.catalogue(44, 47)
async def test_foreign_base_is_never_sold(bench: Bench) -> None:
    live = bench()
    live.at(3, lambda: live.venue.exchange.adjust("main", "BTC", D(5)))
    await live.run(20, buys=[-1], sells=[0])
    assert live.held == 0
    assert live.sold() <= live.bought()
    live.assert_sound()


@pytest.mark.catalogue(45)
@pytest.mark.parametrize("mode", ["gt", "point"])
async def test_fees_in_a_third_coin_leave_the_base_whole(bench: Bench, mode: Any) -> None:
    live = bench(venue=VenueSettings(fee_mode=mode))
    live.venue.call(lambda: live.venue.exchange.adjust("main", mode.upper(), D(100)))
    await live.run(5, buys=[-1])
    (fill,) = live.fills
    assert live.held == fill.quantity
    live.assert_sound()
    live.assert_guarded()


@pytest.mark.catalogue(49)
async def test_coarser_steps_between_entry_and_exit(bench: Bench) -> None:
    live = bench()
    live.at(5, lambda: live.use_rules(amount_step=D("0.01"), min_amount=D("0.01")))
    await live.run(25, buys=[-1], sells=[0])
    assert live.sold() == floor_step(live.bought(), D("0.01"))
    assert live.held == 0
    live.assert_sound()


@pytest.mark.catalogue(50)
async def test_a_delisted_pair_is_left_in_time_and_not_entered_again(bench: Bench) -> None:
    live = bench(EXITS_INTERVAL_SEC="60")
    at_ms = START_MS + 3 * HOUR_MS
    live.at(5, lambda: setattr(live.pair, "delisting_ms", at_ms))
    await live.run(170, buys=[-1, 9])
    (sale,) = live.orders(Purpose.SIGNAL_SELL)
    assert sale["reason"] == "delisting"
    assert sale["sent_ms"] < at_ms - HOUR_MS + 2 * MINUTE
    assert live.held == 0
    assert len(live.orders(Purpose.ENTRY)) == 1
    live.assert_sound()


@pytest.mark.catalogue(51)
async def test_a_pair_that_can_only_be_sold(bench: Bench) -> None:
    live = bench(EXITS_INTERVAL_SEC="60")
    live.at(5, lambda: setattr(live.pair, "trade_status", "sellable"))
    await live.run(40, buys=[-1, 1], sells=[0])
    assert live.held == 0
    assert [order["state"] for order in live.orders(Purpose.ENTRY)] == ["done", "rejected"]
    assert live.sold() > 0
    live.assert_sound()


@pytest.mark.catalogue(52)
@pytest.mark.parametrize("since", [0.1, 10], ids=["before the entry", "before the exit"])
async def test_maintenance_for_an_hour(bench: Bench, since: float) -> None:
    live = bench(EXITS_INTERVAL_SEC="60")
    live.away = True
    live.at(since, lambda: setattr(live.venue.exchange.conditions, "maintenance", True))
    live.at(since + 60, lambda: setattr(live.venue.exchange.conditions, "maintenance", False))
    await live.run(since + 70, buys=[-1], sells=[0])
    assert live.held == live.bought() - live.sold()
    live.assert_sound()


@pytest.mark.catalogue(52)
async def test_the_stop_at_the_exchange_works_while_it_cannot_be_reached(bench: Bench) -> None:
    live = bench([(100, 100, 100, 100), (100, 100, 90, 92)], EXITS_INTERVAL_SEC="60")
    live.away = True
    live.fault("page_503", method="", path="", times=None, since=10, until_ms=START_MS + 60 * MINUTE)
    await live.run(70, buys=[-1])
    assert [order["state"] for order in live.orders(Purpose.STOP_LOSS)] == ["done"]
    assert live.held == 0
    assert live.sold() == floor_step(live.bought(), D("0.0001"))
    live.assert_sound()


@pytest.mark.catalogue(29)
@pytest.mark.parametrize("since", [0.1, 10], ids=["entry", "exit"])
async def test_the_exchanges_clock_jumps(bench: Bench, since: float) -> None:
    live = bench()
    live.at(since, lambda: setattr(live.venue.exchange.conditions, "clock_skew_ms", 90_000))
    await live.run(25, buys=[-1], sells=[0])
    assert live.held == 0
    assert live.bought() > 0
    live.assert_sound()


@pytest.mark.catalogue(30)
async def test_a_key_that_may_no_longer_trade_calls_a_person_and_exits_are_tried_on(bench: Bench) -> None:
    live = bench([(100, 100, 92, 92)], EXITS_EXCHANGE_STOP="false")
    conditions = live.venue.exchange.conditions
    live.at(2, lambda: setattr(conditions, "read_only", True))
    live.at(18, lambda: setattr(conditions, "read_only", False))
    await live.run(21, buys=[-1])
    assert any(alert["severity"] == "critical" for alert in live.alerts)
    states = [order["state"] for order in live.orders(Purpose.STOP_LOSS)]
    assert states[:-1] == ["rejected"] * (len(states) - 1)
    assert states[-1] == "done"
    assert live.held == 0
    live.assert_sound()


@pytest.mark.catalogue(32)
async def test_trades_of_ten_days_ago_are_found(bench: Bench) -> None:
    """The stop fired while the bot was down; the venue shows trades of seven days unless asked for more."""
    live = bench([(100, 100, 90, 92)])
    await live.run(1, buys=[-1])
    live.assert_sound()
    live.venue.advance(10 * 24 * HOUR_MS)
    later = 10 * 24 * 60 + 6
    await live.run(later, buys=[-1])
    assert live.held == 0
    assert live.sold() == floor_step(live.bought(), D("0.0001"))
    live.assert_sound()
