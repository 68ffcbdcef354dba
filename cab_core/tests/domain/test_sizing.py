from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.exit_rules import ExitRules
from cab_core.domain.exits import on_price, protect
from cab_core.domain.market import Costs, Instrument, Quote
from cab_core.domain.matching import Match, market_buy, market_sell
from cab_core.domain.orders import Rejected
from cab_core.domain.resting import desired_stop
from cab_core.domain.sellable import sellable
from cab_core.domain.sizing import size_entry, unsellable

pytestmark = pytest.mark.risk

FEE = Decimal("0.002")


def sized(fixed="50", multiplier="1", factor="1", free="1000", step="0.01", minimum="3"):
    instrument = Instrument("BTC/USDT", cost_step=Decimal(step), min_notional=Decimal(minimum))
    found = size_entry(Decimal(fixed), Decimal(multiplier), Decimal(factor), instrument, Decimal(free), FEE)
    return found.amount, found.reason


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ({}, ("50.00", None)),
        ({"multiplier": "0.5"}, ("25.00", None)),
        ({"multiplier": "0.5", "factor": "0.25"}, ("6.25", None)),
        ({"factor": "0.33333"}, ("16.66", None)),
        ({"fixed": "3.15"}, ("3.15", None)),
        ({"fixed": "3.14"}, ("3.14", "below_min_notional")),
        ({"fixed": "0.5", "minimum": "0.4"}, ("0.50", None)),  # less than one of a dear currency
        ({"fixed": "0.009", "minimum": "0"}, ("0.00", "below_min_notional")),
        ({"free": "50.1"}, ("50.00", None)),
        ({"free": "50.09"}, ("50.00", "insufficient_funds")),
        ({"fixed": "3.14", "free": "0"}, ("3.14", "below_min_notional")),
    ],
)
def test_sizes(case, expected):
    assert sized(**case) == (Decimal(expected[0]), expected[1])


money = st.decimals("0.01", "100000", places=2)
unit = st.decimals("0", "1", places=4)


@given(money, unit, unit, money, st.sampled_from(["0.01", "0.1", "1", "0.0001"]))
def test_an_entry_never_exceeds_what_is_allowed_and_payable(fixed, multiplier, factor, free, step):
    instrument = Instrument("BTC/USDT", cost_step=Decimal(step))
    found = size_entry(fixed, multiplier, factor, instrument, free, FEE)
    allowed = fixed * multiplier * factor
    assert allowed - Decimal(step) < found.amount <= allowed
    assert found.amount % Decimal(step) == 0
    if found.reason is None:
        assert found.amount * (1 + FEE) <= free
        assert found.amount >= Decimal("1.05") * instrument.min_notional


def instrument(**rules):
    return Instrument("X/USDT", **{name: Decimal(value) for name, value in rules.items()})


def barred(amount, price="100", stop_loss="0.05", offset="0.005", **rules):
    losses = ExitRules(stop_loss=Decimal(stop_loss))
    return unsellable(Decimal(amount), Decimal(price), instrument(**rules), losses, Decimal(offset))


@pytest.mark.catalogue(48)
@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({"amount": "50"}, None),
        ({"amount": "3.15"}, "below_min_notional"),
        ({"amount": "3.60", "stop_loss": "0.20"}, "below_min_notional"),
        ({"amount": "100", "amount_step": "1"}, "below_amount_step"),  # 1 bought, 0.998 left
        ({"amount": "201", "amount_step": "1"}, None),
        ({"amount": "5", "price": "10", "amount_step": "0.1", "min_amount": "1"}, "below_amount_step"),
        ({"amount": "11", "price": "10", "amount_step": "0.1", "min_amount": "1"}, None),
        ({"amount": "10.0", "price": "10", "amount_step": "0.1", "min_amount": "1"}, "below_amount_step"),
        # 0.5 and a tenth of a step in fees: 0.499 * 95 * 0.995 = 47.167975
        ({"amount": "50", "amount_step": "0.001", "min_notional": "47.167975"}, None),
        ({"amount": "50", "amount_step": "0.001", "min_notional": "47.167976"}, "below_min_notional"),
        ({"amount": "50", "price": "0.00000002", "min_notional": "0.1"}, "below_min_notional"),
    ],
)
def test_what_could_not_be_sold_at_its_stop_is_not_bought(case, reason):
    assert barred(**case) == reason


@pytest.mark.parametrize(
    ("quantity", "price", "expected"),
    [
        ("1.26", "3", "1.2"),
        ("1.2", "2.5", "1.2"),
        ("1.2", "2.4999", "0"),
        ("0.99", "100", "0"),
        ("1", "3", "1"),
    ],
)
def test_what_is_sellable_meets_step_least_amount_and_least_notional(quantity, price, expected):
    rules = instrument(amount_step="0.1", min_amount="1", min_notional="3")
    assert sellable(Decimal(quantity), Decimal(price), rules) == Decimal(expected)


def decimals(low, high, places):
    return st.decimals(low, high, places=places)


@st.composite
def instruments(draw):
    step = Decimal(10) ** draw(st.integers(-6, 1))
    return Instrument(
        "X/USDT",
        amount_step=step,
        price_tick=Decimal(10) ** draw(st.integers(-8, -2)),
        min_notional=draw(decimals("0", "20", 2)),
        min_amount=step * draw(st.integers(0, 30)),
    )


@given(
    instruments(),
    decimals("0.001", "70000", 3),
    decimals("1", "500", 2),
    decimals("0.001", "0.3", 3),
    decimals("0", "0.02", 4),
    decimals("0", "0.01", 4),
)
def test_whatever_is_bought_can_be_sold_at_its_stop(rules, price, amount, stop_loss, offset, fee):
    """By a resting stop and at market, and its first take profit by one order or two."""
    costs = Costs(fee=fee, slippage=Decimal(0))
    exits = ExitRules(stop_loss=stop_loss, fee=fee)
    found = size_entry(amount, Decimal(1), Decimal(1), rules, Decimal(10_000), fee)
    if found.reason or unsellable(found.amount, price, rules, exits, offset):
        return
    match = market_buy(found.amount, Quote(price, price, 0), rules, costs)
    assert isinstance(match, Match)
    p = protect(match.price, match.quantity - match.fee, found.amount, exits)
    assert desired_stop(p, rules, offset) is not None
    for bid in (p.stop, p.levels.tp1, p.levels.tp2):
        for sale in on_price(p, bid, rules, exits)[1]:
            sold = market_sell(sale.quantity, Quote(bid, bid, 0), rules, costs)
            assert not isinstance(sold, Rejected)
