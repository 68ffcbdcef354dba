from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.market import Instrument
from cab_core.domain.sizing import size_entry

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
