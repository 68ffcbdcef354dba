"""What must hold of the books after every possible life of a position (I3, I5, I6, I10, I13, I15, I25)."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import attrs
import pytest
from account_stories import BAR_MS, BTC, ENTRY, START_MS, SYMBOL, D, Trading, candle, new_book, paths
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.book_state import from_state, to_state
from cab_core.domain.market import Candle
from cab_core.domain.orders import Fill, Side

pytestmark = pytest.mark.settlement

FIXED_AMOUNT = D("50.00")
TINY = D("1e-18")


@st.composite
def lives(draw: st.DrawFn) -> Trading:
    """A book after a run of candles with an entry wherever it is flat, some orders filling only in part."""
    trading = Trading(new_book(), partial=draw(st.sampled_from([0.0, 0.5, 1.0])))
    best = draw(st.booleans())
    for bar in draw(paths(20)):
        if SYMBOL not in trading.book.positions and draw(st.booleans()):
            trading.buy(FIXED_AMOUNT, bar.open, bar.ts_ms)
        trading.walk(bar, best=best)
        trading.book.mark(SYMBOL, bar.close)
        trading.book.snapshot()
    return trading


def net_base(fills: list[Fill]) -> Decimal:
    total = D(0)
    for trade in fills:
        total += trade.quantity if trade.side is Side.BUY else -trade.quantity
        total -= trade.fee if trade.fee_currency == "BTC" else 0
    return total


@pytest.mark.catalogue(44)
@given(lives())
def test_quantity_is_the_sum_of_the_fills_and_never_negative(trading: Trading) -> None:
    fills: list[Fill] = []
    book = new_book()
    for trade, to in trading.journal:
        held = book.ledger.held(SYMBOL).quantity
        if trade.side is Side.SELL:
            assert trade.quantity <= held
        assert book.apply(trade, to).unmatched == 0
        fills.append(trade)
        assert book.ledger.held(SYMBOL).quantity == net_base(fills) >= 0
        position = book.positions.get(SYMBOL)
        if position is not None:
            assert position.quantity == net_base(fills)
            assert position.protection is not None
            assert position.protection.quantity == position.quantity


@given(lives())
def test_a_position_never_costs_more_than_its_entry_was_allowed(trading: Trading) -> None:
    for trade, _ in trading.journal:
        if trade.side is Side.BUY:
            assert trade.value <= FIXED_AMOUNT
            assert trade.quantity % BTC.amount_step == 0
    for position in trading.book.positions.values():
        dust = position.quantity - position.received + sum(x.quantity for x in position.exits)
        assert position.paid <= FIXED_AMOUNT
        assert 0 <= dust * position.entry_price < BTC.min_notional * 2


@given(lives())
def test_the_stop_of_a_position_never_falls(trading: Trading) -> None:
    by_position: dict[str, list[Decimal]] = defaultdict(list)
    for position_id, stop in trading.stops:
        by_position[position_id].append(stop)
    for stops in by_position.values():
        assert stops == sorted(stops)


@given(lives())
def test_cash_is_the_baseline_plus_sells_minus_buys_minus_quote_fees(trading: Trading) -> None:
    cash = Fraction(1000)
    for trade, _ in trading.journal:
        value = Fraction(trade.quantity) * Fraction(trade.price)
        cash += value if trade.side is Side.SELL else -value
        cash -= Fraction(trade.fee) if trade.fee_currency == "USDT" else 0
    assert abs(Fraction(trading.book.quote_free) - cash) < Fraction(TINY)


@given(lives())
def test_equity_is_cash_plus_what_is_held(trading: Trading) -> None:
    book = trading.book
    held = sum((p.quantity * book.marks.get(SYMBOL, p.entry_price) for p in book.positions.values()), D(0))
    dust = sum((lot.quantity * book.marks[symbol] for symbol, lot in book.dust().items()), D(0))
    assert abs(book.equity() - (book.quote_free + held + dust)) < TINY
    assert book.peak >= book.equity() or not book.positions


@given(lives())
def test_risk_figures_are_functions_of_the_journal(trading: Trading) -> None:
    book = trading.book
    again = new_book()
    for trade, to in trading.journal:
        again.apply(trade, to)
    assert again.realized_by_day == book.realized_by_day
    assert again.round_trips == book.round_trips
    assert again.trades == book.trades
    assert again.last_fill_ms == book.last_fill_ms
    assert abs(sum(book.realized_by_day.values(), D(0)) - book.realized) < TINY
    open_pnl = sum((p.realized for p in book.positions.values()), D(0))
    assert abs(sum((trip.pnl for trip in book.round_trips), open_pnl) - book.realized) < TINY


@pytest.mark.catalogue(42, 43)
@given(lives(), st.randoms(use_true_random=False))
def test_known_fills_again_in_any_order_change_nothing(trading: Trading, random: Random) -> None:
    book = trading.book
    before = to_state(book)
    repeated = [*trading.journal, *trading.journal]
    random.shuffle(repeated)
    assert all(book.apply(trade, to).duplicate for trade, to in repeated)
    assert to_state(book) == before


@pytest.mark.catalogue(43)
@given(
    st.lists(st.tuples(st.integers(1, 900), st.integers(9_000, 11_000)), min_size=1, max_size=6), st.data()
)
def test_the_fills_of_one_entry_may_come_in_any_order(
    parts: list[tuple[int, int]], data: st.DataObject
) -> None:
    fills = [
        Fill(str(n), "c", SYMBOL, Side.BUY, D(q) / 1000, D(p) / 100, D(q) / 10**6, "BTC", START_MS)
        for n, (q, p) in enumerate(parts)
    ]
    states: list[tuple[Any, ...]] = []
    for order in (fills, data.draw(st.permutations(fills))):
        book = new_book()
        for trade in order:
            book.apply(trade, attrs.evolve(ENTRY, final=trade is order[-1]))
        position = book.positions.get(SYMBOL)
        states.append((book.quote_free, book.dust(), position and (position.quantity, position.cost)))
        if position is not None and position.protection is not None:
            states[-1] += (position.protection.levels, position.entry_price)
    assert states[0] == states[1]


@given(lives())
def test_a_book_survives_its_json_and_goes_on_the_same(trading: Trading) -> None:
    book = trading.book
    again = from_state(json.loads(json.dumps(to_state(book))), {SYMBOL: BTC})
    assert to_state(again) == to_state(book)
    last = Candle(START_MS + 50 * BAR_MS, D(90), D(120), D(80), D(100))
    for one in (Trading(book), Trading(again)):
        one.walk(last)
    assert to_state(again) == to_state(book)
    assert not [leaf for leaf in leaves(to_state(book)) if isinstance(leaf, float)]


def leaves(data: object) -> list[object]:
    if isinstance(data, dict):
        return [leaf for value in data.values() for leaf in leaves(value)]
    if isinstance(data, list | tuple):
        return [leaf for value in data for leaf in leaves(value)]
    return [data]


def test_the_lives_do_reach_every_exit() -> None:
    """Guards the properties above against running on nothing."""
    paths_to_exits = {
        "stop_loss": [("100", "101", "94", "96")],
        "stop_loss_gap": [("100", "101", "99", "100"), ("94", "95", "93", "94")],
        "breakeven": [("100.4", "102.5", "100.4", "102"), ("102", "102", "100", "101")],
        "trailing_stop": [("100.4", "102.5", "100.4", "102"), ("102", "104.9", "101.5", "101.5")],
        "take_profit_2": [("100", "106", "99", "105")],
    }
    for reason, path in paths_to_exits.items():
        trading = Trading(new_book(), partial=0.5)
        trading.buy(FIXED_AMOUNT, D(100), START_MS)
        for number, prices in enumerate(path):
            trading.walk(candle(*prices, START_MS + number * BAR_MS))
        (trade,) = trading.book.trades
        assert trade.exits[-1].reason == reason
