"""Figures for people: whatever the value, its sign is right, it is seen, and it is short."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cab_core.domain.figures import (
    fee,
    measured,
    money,
    number,
    percent,
    price,
    quantity,
    reading,
    signed_money,
    signed_number,
    signed_percent,
    unit_name,
)

AMOUNTS = st.decimals("-1e12", "1e12", allow_nan=False, allow_infinity=False)
CURRENCIES = st.sampled_from(["USDT", "BTC", "EUR", "JPY", "SOL"])
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(AMOUNTS, CURRENCIES)
@example(Decimal("-0.68451555347159653870941884"), "USDT")
@example(Decimal("-0.00000612"), "BTC")
@example(Decimal("0E-28"), "USDT")
def test_a_gain_has_the_sign_of_its_value_and_is_never_written_as_nothing(value, currency):
    text = signed_money(value, currency)
    shows_something = re.search("[1-9]", text) is not None
    assert shows_something == (abs(value) >= Decimal("0.5e-12"))
    expected = "" if not shows_something else "+" if value > 0 else "-"
    assert re.fullmatch(r"([+-]?)[0-9,]+(\.[0-9]+)?", text)[1] == expected


@given(AMOUNTS, CURRENCIES)
def test_an_amount_has_the_decimals_of_its_currency_or_two_digits_that_are_seen(value, currency):
    decimals = len(money(value, currency).partition(".")[2])
    usual = {"USDT": 2, "EUR": 2, "JPY": 0}.get(currency, 8)
    if abs(value) >= Decimal(1).scaleb(-usual):
        assert decimals == usual
    assert decimals <= 12


@given(AMOUNTS, CURRENCIES)
def test_what_is_shown_is_the_value_rounded(value, currency):
    text = money(value, currency)
    step = Decimal(1).scaleb(-len(text.partition(".")[2]))
    assert abs(Decimal(text.replace(",", "")) - value) <= step / 2


@given(FLOATS)
def test_no_float_is_written_with_an_exponent_or_a_signed_zero(value):
    for text in (number(value), signed_number(value), signed_percent(value), price(value), reading(value)):
        assert "e" not in text.lower()
        assert not re.fullmatch(r"[+-]0(\.0+)?( %)?", text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("60120.4", "60,120.40"),
        ("60120.48", "60,120.48"),
        ("60120.483333333333333333333", "60,120.48"),
        ("0.00001234", "0.00001234"),
        ("0.0412345678901", "0.0412346"),
        ("1.5", "1.50"),
        ("0", "0.00"),
    ],
)
def test_a_price_has_the_digits_of_its_steps_and_an_average_six(text, expected):
    assert price(text) == expected
    assert price(float(text)) == expected


def test_figures_by_example():
    assert (money("0.1", "BTC"), money("1234.5", "USDC"), money("1234.5", "JPY")) == (
        "0.10000000",
        "1,234.50",
        "1,234",
    )
    assert (signed_money("-0.00061", "BTC"), signed_money("0.0034", "USDT")) == ("-0.00061000", "+0.0034")
    assert (quantity("0.00083000"), quantity("1500.5"), quantity("0.0009980000000001")) == (
        "0.00083",
        "1,500.5",
        "0.000998",
    )
    assert fee("0.05123", "USDT") == "0.05123 USDT"
    assert (percent(12.345), percent("0.4", 0), signed_percent(-0.0041)) == ("12.34 %", "0.40 %", "-0.0041 %")
    assert (signed_number(0.0), signed_number(1e-17), signed_number(0.5)) == ("0.00", "0.00", "+0.50")
    assert (reading(60123.456), reading(1e-05), reading(3.0)) == ("60123.5", "0.00001", "3")


def test_what_is_not_known_is_not_available():
    assert {money(None, "USDT"), price(None), quantity(None), percent(None), number(None)} == {"n/a"}
    assert {signed_money(None, "USDT"), fee(None, "BTC"), reading(None), price(float("nan"))} == {"n/a"}


def test_a_limit_is_measured_in_its_unit():
    assert [measured(3, unit, "BTC") for unit in ("round trips", "%", "quote")] == ["3", "3.00", "3.00000000"]
    assert [unit_name(unit, "BTC") for unit in ("round trips", "%", "quote")] == ["round trips", "%", "BTC"]
