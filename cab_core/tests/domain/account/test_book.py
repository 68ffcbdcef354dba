"""The book told as stories: what a user sees of cash, positions, dust, round trips and equity."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import attrs
import pytest
from account_stories import (
    BTC,
    ENTRY,
    EXIT,
    RULES,
    START_MS,
    SYMBOL,
    D,
    Trading,
    bought,
    candle,
    new_book,
    sold,
)

from cab_core.domain.book import AppliedTo, Book
from cab_core.domain.book_state import account_state, from_state, position_state, to_state
from cab_core.domain.equity import Equity, drawdown_pct, snapshot
from cab_core.domain.exits import on_price
from cab_core.domain.limits import limit_use
from cab_core.domain.orders import Purpose
from cab_core.domain.risk import RoundTrip
from cab_core.domain.seen import LATE_MS, REMEMBERED

pytestmark = pytest.mark.settlement

DAY_MS, MINUTE_MS = 86_400_000, 60_000


def test_a_deposit_at_the_peak_moves_the_peak_by_as_much() -> None:
    book = new_book()
    start = book.equity()
    book.deposit(D(500))
    assert (book.peak, book.equity(), book.baseline) == (start + 500, start + 500, start + 500)
    book.deposit(-book.equity())
    assert book.peak == 0


def test_a_trade_from_entry_to_the_last_exit() -> None:
    book = new_book()
    trading = Trading(book)
    trading.buy(D("50.00"), D(100), START_MS)
    position = book.positions[SYMBOL]
    assert position.id == f"{SYMBOL}@{START_MS}"
    assert position.votes == ("ema_cross", "supertrend")
    assert position.quantity == D("0.49970") * D("0.999")  # the fee of the buy is taken in base
    assert book.quote_free == D(1000) - D("0.49970") * D(100) * D("1.0001") * D("1.0005")
    trading.walk(candle("100.4", "102.2", "100.4", "102.1", START_MS + 900_000))
    assert book.positions[SYMBOL].protection is not None
    assert [x.reason for x in book.positions[SYMBOL].exits] == ["take_profit_1"]
    trading.walk(candle("102", "102.1", "99", "99.5", START_MS + 1_800_000))
    assert SYMBOL not in book.positions
    (trade,) = book.trades
    assert [x.reason for x in trade.exits] == ["take_profit_1", "breakeven"]
    assert trade.pnl == sum(x.pnl for x in trade.exits) == book.realized
    assert (trade.entry_reason, trade.trace_id) == ("vote:5-2", "trace")
    (trip,) = book.round_trips
    assert (trip.pnl, trip.opened_ms, trip.closed_ms) == (trade.pnl, START_MS, START_MS + 1_800_000)
    left = book.dust()[SYMBOL]
    assert 0 < left.quantity < BTC.amount_step
    assert trade.proceeds - trade.cost + left.cost == pytest.approx(trade.pnl, abs=D("1e-20"))
    assert book.quote_free + left.cost == pytest.approx(D(1000) + book.realized, abs=D("1e-20"))


def test_several_fills_of_one_entry_are_one_position_at_their_average() -> None:
    book = new_book()
    book.apply(bought("0.1", "100", trade_id="1", client_id="e"), attrs.evolve(ENTRY, final=False))
    book.apply(bought("0.3", "104", trade_id="2", client_id="e", ts_ms=START_MS + 5), ENTRY)
    position = book.positions[SYMBOL]
    assert position.entry_price == D("103")
    assert (position.quantity, position.cost) == (D("0.4"), D("41.2"))
    assert position.protection is not None
    assert position.protection.levels.sl == D("103") * D("0.95")
    assert position.opened_ms == START_MS


def test_an_entry_fill_after_the_first_exit_keeps_the_levels() -> None:
    book = new_book()
    book.apply(bought("1", "100", trade_id="1"), ENTRY)
    before = book.positions[SYMBOL].protection
    assert before is not None
    following, sales = on_price(before, D(102), BTC, RULES)
    book.apply(
        sold("0.5", "102", trade_id="2"),
        AppliedTo(sales[0].purpose, sales[0].reason, protection=following),
    )
    book.apply(bought("0.1", "90", trade_id="3"), ENTRY)
    after = book.positions[SYMBOL].protection
    assert after is not None
    assert (after.levels, after.stop, after.quantity) == (before.levels, following.stop, D("0.6"))


def test_an_entry_fill_after_a_partly_sold_stop_keeps_the_levels() -> None:
    book = new_book()
    book.apply(bought("1", "100", trade_id="1"), ENTRY)
    book.apply(sold("0.5", "95", trade_id="2"), AppliedTo(Purpose.STOP_LOSS, "stop_loss", final=False))
    book.apply(bought("0.1", "90", trade_id="3"), ENTRY)
    protection = book.positions[SYMBOL].protection
    assert protection is not None
    assert (protection.stop, protection.quantity) == (D(95), D("0.6"))


def test_a_late_fill_does_not_bring_back_an_old_stop() -> None:
    book = new_book()
    book.apply(bought("1", "100", trade_id="1"), ENTRY)
    first = book.positions[SYMBOL].protection
    assert first is not None
    decided, (sale,) = on_price(first, D(102), BTC, RULES)
    to = AppliedTo(sale.purpose, sale.reason, protection=decided, final=False)
    book.apply(sold("0.2", "102", trade_id="2"), to)
    raised, _ = on_price(decided, D("104.9"), BTC, RULES)
    book.guard(SYMBOL, raised)
    book.apply(sold("0.3", "102", trade_id="3"), to)
    after = book.positions[SYMBOL].protection
    assert after is not None
    assert (after.stop, after.peak, after.quantity) == (raised.stop, raised.peak, D("0.5"))


def test_fees_in_quote_leave_the_cash_on_both_sides() -> None:
    book = new_book()
    book.apply(bought("1", "100", trade_id="1", fee="0.1"), ENTRY)
    assert book.quote_free == D("899.9")
    book.apply(sold("1", "110", trade_id="2", fee="0.11"), EXIT)
    assert book.quote_free == D(1000) + book.realized == D("1009.79")
    assert book.trades[-1].fees_quote == D("0.21")


@pytest.mark.catalogue(10)
def test_a_tp1_fill_found_after_a_crash_still_moves_the_stop() -> None:
    book = new_book()
    book.apply(bought("1", "100", trade_id="1"), ENTRY)
    book.apply(
        sold("0.5", "102", trade_id="2"),
        AppliedTo(Purpose.TAKE_PROFIT_1, "take_profit_1", rules=RULES),
    )
    protection = book.positions[SYMBOL].protection
    assert protection is not None
    assert (protection.stage, protection.stop) == (1, protection.levels.breakeven)


@pytest.mark.catalogue(48)
def test_dust_stays_with_its_cost_and_goes_with_the_next_sale() -> None:
    book = new_book()
    book.apply(bought("0.50001", "100", trade_id="1"), ENTRY)
    first = book.apply(sold("0.5", "110", trade_id="2"), EXIT)
    assert first.closed is not None
    assert first.closed.pnl == D(5)
    assert book.dust() == {SYMBOL: (D("0.00001"), D("0.001"))}
    assert book.unrealized() == 0
    book.apply(bought("0.5", "200", trade_id="3", ts_ms=START_MS + 1), ENTRY)
    position = book.positions[SYMBOL]
    assert position.quantity == D("0.50001")
    assert position.protection is not None
    assert position.protection.quantity == D("0.50001")
    assert position.protection.levels.breakeven == D(200) / (1 - RULES.fee)  # its own cost, not the dust's
    second = book.apply(sold("0.50001", "200", trade_id="4", ts_ms=START_MS + 2), EXIT)
    assert second.closed is not None
    assert second.closed.pnl == D("0.50001") * 200 - D(100) - D("0.001")
    assert book.dust() == {}


def test_written_off_dust_counts_in_the_trip_that_left_it() -> None:
    book = new_book()
    book.apply(bought("0.50001", "100", trade_id="1"), ENTRY)
    with pytest.raises(ValueError, match="open position"):
        book.write_off(SYMBOL, START_MS)
    book.apply(sold("0.5", "110", trade_id="2"), EXIT)
    assert book.write_off(SYMBOL, START_MS + DAY_MS) == D("0.001")
    assert book.round_trips[-1].pnl == book.trades[-1].pnl == D("4.999")
    assert book.realized == D("4.999")
    day = START_MS // DAY_MS
    assert book.realized_by_day == {day: D(5), day + 1: D("-0.001")}
    assert book.write_off(SYMBOL, START_MS + DAY_MS) == 0


def test_a_rest_below_the_minimum_is_dust_only_once_the_order_is_done() -> None:
    book = new_book()
    book.apply(bought("0.5", "100", trade_id="1"), ENTRY)
    part = book.apply(sold("0.46", "100", trade_id="2"), attrs.evolve(EXIT, final=False))
    assert part.closed is None  # 0.04 at 100 is below 5, but more fills of the order may come
    rest = book.apply(sold("0.03", "100", trade_id="3"), EXIT)
    assert rest.closed is not None
    assert book.dust()[SYMBOL].quantity == D("0.01")


def test_an_entry_worth_less_than_the_minimum_is_dust_and_no_trip() -> None:
    book = new_book()
    applied = book.apply(bought("0.04", "100", trade_id="1"), ENTRY)
    assert applied.closed is None
    assert book.positions == {}
    assert book.dust() == {SYMBOL: (D("0.04"), D(4))}
    assert book.round_trips == []


def test_a_rest_the_exchange_refuses_can_be_left_as_dust() -> None:
    book = new_book()
    book.apply(bought("0.05", "100", trade_id="1"), ENTRY)
    assert book.leave_dust(SYMBOL, START_MS) is None
    assert book.dust()[SYMBOL].quantity == D("0.05")


@pytest.mark.catalogue(48)
def test_dust_is_valued_at_the_bid_so_that_no_loss_leaves_the_equity() -> None:
    book = new_book()
    book.apply(bought("0.5", "100", trade_id="1"), ENTRY)
    book.mark(SYMBOL, D(80))
    before = book.equity()
    assert book.leave_dust(SYMBOL, START_MS) is None
    assert book.equity() == before == D(990)
    assert [(left.quantity, left.cost, left.value, left.loss, left.sold) for left in book.left] == [
        (D("0.5"), D(50), D(40), D(10), False)
    ]
    book.mark(SYMBOL, D(60))
    assert book.unrealized() == book.unrealized(SYMBOL) == D(-20)
    assert book.snapshot().drawdown_pct == D(2)
    assert limit_use(book, {}, START_MS)["daily_loss"] == D(20)
    assert book.write_off(SYMBOL, START_MS) == D(50)
    assert book.unrealized() == 0


def test_a_protection_decided_on_another_quantity_guards_what_is_held() -> None:
    book = new_book()
    book.apply(bought("0.5", "100", trade_id="1"), ENTRY)
    decided = book.positions[SYMBOL].protection
    assert decided is not None
    book.apply(bought("0.1", "100", trade_id="2"), attrs.evolve(ENTRY, rules=None))
    book.guard(SYMBOL, attrs.evolve(decided, stop=decided.stop + 1))
    guarded = book.positions[SYMBOL].protection
    assert guarded is not None
    assert (guarded.quantity, guarded.stop) == (D("0.6"), decided.stop + 1)


def test_rules_are_shown_the_highest_equity_there_was_and_the_present_one() -> None:
    book = new_book()
    book.apply(bought("0.5", "100", trade_id="1"), ENTRY)
    book.mark(SYMBOL, D(140))
    book.raise_peak()
    book.mark(SYMBOL, D(60))
    shown = book.view(START_MS, spreads=(), released_ms={}, hourly_returns=lambda _: None)
    assert (shown.equity, shown.peak, shown.unrealized) == (D(980), D(1020), D(-20))
    assert drawdown_pct(shown.peak, shown.equity) > D("3.9")
    book.mark(SYMBOL, D(200))
    risen = book.view(START_MS, spreads=(), released_ms={}, hourly_returns=lambda _: None)
    assert (risen.equity, risen.peak) == (D(1050), D(1050))


def test_a_round_trip_of_nothing_ends_a_streak() -> None:
    book = new_book()
    book.round_trips += [RoundTrip(SYMBOL, n, n, D(pnl)) for n, pnl in enumerate((-1, -1, 0, -1), 1)]
    assert limit_use(book, {}, START_MS)["loss_streak"] == 1
    assert limit_use(book, {"loss_streak": 4}, START_MS)["loss_streak"] == 0
    book.round_trips.append(RoundTrip(SYMBOL, 5, 5, D(0)))
    assert limit_use(book, {}, START_MS)["loss_streak"] == 0


def test_selling_more_than_held_is_flagged_and_never_a_short() -> None:
    book = new_book()
    book.apply(bought("1", "100", trade_id="1"), ENTRY)
    applied = book.apply(sold("1.2", "101", trade_id="2"), EXIT)
    assert applied.unmatched == D("0.2")
    assert applied.realized == D(1)
    assert book.positions == {}
    assert book.ledger.held(SYMBOL).quantity == 0


@pytest.mark.catalogue(45)
def test_a_fee_in_a_third_currency_costs_no_cash_but_lowers_the_result() -> None:
    book = new_book()
    gt = {"fee": "0.02", "fee_currency": "GT"}
    rated = attrs.evolve(ENTRY, fee_rates={"GT": D(5)})
    assert not book.apply(bought("1", "100", trade_id="1", **gt), rated).fee_unpriced
    assert book.quote_free == D(900)
    assert book.positions[SYMBOL].cost == D("100.1")
    assert book.apply(sold("0.5", "100", trade_id="2", **gt), EXIT).fee_unpriced


@pytest.mark.catalogue(45)
def test_several_fees_of_one_trade_are_all_booked() -> None:
    book = new_book()
    further = (("GT", D("0.02")), ("USDT", D("0.3")))
    fill = bought("1", "100", trade_id="1", fee="0.002", fee_currency="BTC")
    book.apply(attrs.evolve(fill, further_fees=further), attrs.evolve(ENTRY, fee_rates={"GT": D(5)}))
    assert book.ledger.held(SYMBOL) == (D("0.998"), D("100.4"))
    assert book.quote_free == D("899.7")
    with pytest.raises(ValueError, match="fee of trade 2 is not a finite Decimal"):
        book.apply(attrs.evolve(sold("0.5", "100", trade_id="2"), further_fees=(("GT", D("NaN")),)), EXIT)


@pytest.mark.catalogue(75)
def test_realized_pnl_belongs_to_the_utc_day_of_its_sell() -> None:
    book = new_book()
    midnight = START_MS + DAY_MS
    book.apply(bought("1", "100", trade_id="1"), ENTRY)
    book.apply(sold("0.5", "110", trade_id="2", ts_ms=midnight - 1), EXIT)
    book.apply(sold("0.5", "90", trade_id="3", ts_ms=midnight), EXIT)
    day = START_MS // DAY_MS
    assert book.realized_by_day == {day: D(5), day + 1: D(-5)}
    assert [trip.pnl for trip in book.round_trips] == [D(0)]
    assert _view(book, midnight).realized_today == D(-5)


def test_equity_peak_and_drawdown_follow_the_marks() -> None:
    book = new_book()
    book.apply(bought("1", "100", trade_id="1"), ENTRY)
    book.mark(SYMBOL, D(150))
    assert book.snapshot() == Equity(D(1050), D(1050), D(0))
    book.mark(SYMBOL, D(45))
    assert book.snapshot().drawdown_pct == D(10)
    book.reset_peak()
    assert book.snapshot().drawdown_pct == 0


def test_the_drawdown_vector_holds(cases: dict[str, Any]) -> None:
    vector = cases["drawdown"]
    peak = baseline = D(vector["baseline"])
    for (realized, unrealized), wanted in zip(vector["steps"], vector["expected"], strict=True):
        taken = snapshot(baseline + D(realized) + D(unrealized), peak)
        assert (taken.equity, taken.peak) == (D(wanted["equity"]), D(wanted["peak"]))
        assert abs(taken.drawdown_pct - D(wanted["dd_pct"])) < D("1e-20")
        peak = taken.peak


def test_drawdown_of_nothing_is_zero() -> None:
    assert drawdown_pct(D(0), D(-5)) == 0


def _view(book: Book, now_ms: int) -> Any:
    return book.view(now_ms, spreads=(), released_ms={}, hourly_returns=lambda _: None)


def test_the_view_is_a_snapshot_that_later_fills_do_not_change() -> None:
    book = new_book()
    book.apply(bought("1", "100", trade_id="1", client_id="a"), ENTRY)
    view = _view(book, START_MS + 1)
    book.apply(sold("1", "110", trade_id="2", ts_ms=START_MS + 2), EXIT)
    assert view.positions[SYMBOL].quantity == D(1)
    assert view.round_trips == []
    assert view.last_fill_ms == {SYMBOL: START_MS}
    assert (view.orders_5m, view.turnover_5m) == (1, D(100))
    assert _view(book, START_MS + 2).realized_today == D(10)


def test_activity_counts_orders_not_fills_and_only_of_five_minutes() -> None:
    book = new_book()
    book.apply(bought("0.5", "100", trade_id="1", client_id="a"), ENTRY)
    book.apply(bought("0.5", "100", trade_id="2", client_id="a"), ENTRY)
    book.apply(sold("1", "100", trade_id="3", client_id="b", ts_ms=START_MS + 299_999), EXIT)
    assert book.activity(START_MS + 299_999) == (2, D(200))
    assert book.activity(START_MS + 300_000) == (1, D(100))
    assert book.activity(START_MS + 900_000) == (0, D(0))


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-1", "0"])
def test_no_impossible_number_enters_the_book(bad: str) -> None:
    book = new_book()
    before = to_state(book)
    for trade in (bought(bad, "100", trade_id="1"), bought("1", bad, trade_id="1")):
        with pytest.raises(ValueError, match="trade 1"):
            book.apply(trade, ENTRY)
    assert to_state(book) == before


def test_no_float_enters_the_book() -> None:
    for name in ("quantity", "price", "fee"):
        broken: dict[str, Any] = {name: 1.0}
        trade = attrs.evolve(bought("1", "100", trade_id="1"), **broken)
        with pytest.raises(ValueError, match=f"{name} of trade 1 is not a finite Decimal: 1.0"):
            new_book().apply(trade, ENTRY)


def test_a_trade_older_than_the_memory_counts_as_known() -> None:
    book = new_book("1000000")
    for number in range(REMEMBERED + 50):
        book.apply(bought("1", "100", trade_id=str(number), ts_ms=START_MS + number * MINUTE_MS), ENTRY)
    held = book.ledger.held(SYMBOL)
    assert held.quantity == REMEMBERED + 50
    assert len(book.seen[SYMBOL].ids) == REMEMBERED
    for number in range(REMEMBERED + 50):
        trade = bought("1", "100", trade_id=str(number), ts_ms=START_MS + number * MINUTE_MS)
        assert book.apply(trade, ENTRY).duplicate
    assert book.ledger.held(SYMBOL) == held


@pytest.mark.parametrize("spread_ms", [0, 1, 100, LATE_MS])
def test_every_trade_of_an_order_counts_once_however_many_there_are(spread_ms: int) -> None:
    """Also those that show up after hundreds of newer ones, and after a restart."""
    count = 3 * REMEMBERED
    trades = [
        bought("0.01", "100", trade_id=f"t{n}", ts_ms=START_MS + n * spread_ms // count) for n in range(count)
    ]
    listed = [*trades[1::2], *trades[::2], *trades]
    book = new_book("1000000")
    for number, trade in enumerate(listed):
        book.apply(trade, attrs.evolve(ENTRY, final=False))
        if number == count // 2:
            book = from_state(json.loads(json.dumps(to_state(book))), {SYMBOL: BTC})
    assert book.positions[SYMBOL].quantity == D("0.01") * count


def test_the_parts_written_with_each_fill_rebuild_the_book() -> None:
    book = new_book()
    trading = Trading(book)
    trading.buy(D("50.00"), D(100), START_MS)
    trading.walk(candle("100.4", "102.2", "100.4", "102.1", START_MS + 900_000))
    book.mark(SYMBOL, D("102.1"))
    book.snapshot()
    parts = {"account": account_state(book), "positions": {SYMBOL: position_state(book, SYMBOL)}}
    again = from_state(json.loads(json.dumps(parts)), {SYMBOL: BTC})
    assert to_state(again) == to_state(book)
    assert again.equity() == book.equity()
    assert position_state(Book(Decimal(1), {SYMBOL: BTC}), SYMBOL) is None
