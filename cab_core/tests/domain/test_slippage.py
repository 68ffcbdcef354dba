from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.market import Quote
from cab_core.domain.slippage import (
    UNBOUNDED,
    average_ask,
    average_price,
    expected_slippage_pct,
    realized_slippage_pct,
)

QUOTE = Quote(Decimal(99), Decimal(101), 0)
ASKS = [(Decimal(101), Decimal("0.5")), (Decimal(110), Decimal(2))]


def test_without_a_book_the_ask_is_the_average():
    assert expected_slippage_pct(QUOTE, Decimal(50)) == Decimal(1)


def test_the_walk_stays_on_the_first_ask_while_it_lasts():
    assert expected_slippage_pct(QUOTE, Decimal("50.5"), ASKS) == Decimal(1)


def test_the_walk_goes_up_the_book():
    # 50.5 buys 0.5 at 101, the other 110 buys 1 at 110: 160.5 for 1.5.
    assert average_ask(ASKS, Decimal("160.5")) == Decimal(107)
    assert expected_slippage_pct(QUOTE, Decimal("160.5"), ASKS) == Decimal(7)


@pytest.mark.parametrize(
    ("quote", "asks"),
    [
        (Quote(None, Decimal(101), 0), None),
        (Quote(Decimal(99), None, 0), None),
        (QUOTE, []),
        (QUOTE, ASKS[:1]),
        (QUOTE, [(Decimal(0), Decimal(10))]),
    ],
)
def test_what_cannot_be_told_is_above_every_cap(quote, asks):
    assert expected_slippage_pct(quote, Decimal(160), asks) == UNBOUNDED > Decimal(5)


@pytest.mark.parametrize(("fill", "expected"), [("101", "1"), ("99", "1"), ("100", "0")])
def test_realized_slippage_has_no_sign(fill, expected):
    assert realized_slippage_pct(Decimal(fill), Decimal(100)) == Decimal(expected)


def test_average_price_of_fills():
    assert average_price([(Decimal(100), Decimal(1)), (Decimal(103), Decimal(2))]) == Decimal(102)
    assert average_price([]) is None


levels = st.lists(
    st.tuples(st.decimals("0.01", "1000", places=2), st.decimals("0.001", "100", places=3)),
    min_size=1,
    max_size=8,
)


@given(levels, st.decimals("0.01", "100000", places=2))
def test_the_average_lies_between_the_best_ask_and_the_worst_one_reached(asks, size):
    asks.sort()
    average = average_ask(asks, size)
    depth = sum(price * amount for price, amount in asks)
    assert (average is None) is (depth < size)
    if average is not None:
        tiny = Decimal("1e-20")
        assert asks[0][0] * (1 - tiny) <= average <= asks[-1][0] * (1 + tiny)
