import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.settings import lists, parse
from cab_core.settings.parse import TextError

PLAIN = st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**12), max_value=10**12)


@given(PLAIN)
def test_every_digit_of_an_amount_is_kept(number):
    assert f"{parse.money().parse(f'{number:f}'):f}" == f"{number:f}"


@pytest.mark.parametrize(
    "text", ["nan", "NaN", "-nan", "inf", "-Infinity", "1e5", "1E-3", "0x10", "1_000", "1,000"]
)
@pytest.mark.parametrize("kind", [parse.money(), parse.real(), parse.whole(0)])
def test_no_number_but_a_plain_finite_one(kind, text):
    with pytest.raises(TextError):
        kind.parse(text)


def test_an_endless_number_is_refused():
    with pytest.raises(TextError, match="28 digits"):
        parse.money().parse("1." + "0" * 28)


def test_a_percent_sign_is_named():
    with pytest.raises(TextError) as caught:
        parse.money().parse("5%")
    assert "write 5" in caught.value.fix


@given(st.text(max_size=40))
def test_junk_never_raises_anything_else(text):
    kinds = (
        parse.money(),
        parse.whole(0),
        parse.boolean(),
        lists.symbols(),
        lists.weights(),
        parse.url("http"),
    )
    for kind in kinds:
        with contextlib.suppress(TextError):
            kind.parse(text)


@pytest.mark.parametrize(
    ("kind", "inside", "outside"),
    [
        (parse.money(gt=0), "0.000000000001", "0"),
        (parse.money(gt=0, le=5), "5", "5.0000000001"),
        (parse.money(gt=0, lt=100), "99.999", "100"),
        (parse.real(ge=0, le=1), "1", "1.0001"),
        (parse.whole(1, 300), "300", "301"),
        (parse.whole(1), "1", "0"),
    ],
)
def test_bounds_are_exact(kind, inside, outside):
    kind.parse(inside)
    with pytest.raises(TextError, match="must be"):
        kind.parse(outside)


def test_a_whole_number_has_no_fraction():
    assert parse.whole(0).parse("60") == 60
    with pytest.raises(TextError, match="whole"):
        parse.whole(0).parse("60.5")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, True) for text in ("true", "1", "YES", "On")),
        *((text, False) for text in ("false", "0", "no", "OFF")),
    ],
)
def test_truth_values(text, value):
    assert parse.boolean().parse(text) is value


@pytest.mark.parametrize("text", ["2", "maybe", "none", "tru"])
def test_no_other_truth_values(text):
    with pytest.raises(TextError):
        parse.boolean().parse(text)


def test_symbols_are_normalized():
    assert lists.symbols().parse(" btc/usdt , ETH/usdt") == ("BTC/USDT", "ETH/USDT")


@pytest.mark.parametrize(
    ("text", "message", "fix"),
    [
        ("BTCUSDT", "'BTCUSDT' is not BASE/QUOTE", "write BTC/USDT"),
        ("btc_usdt", "is not BASE/QUOTE", "write BTC/USDT"),
        ("BTC-USDT", "is not BASE/QUOTE", "write BTC/USDT"),
        ("BTC/USDT:USDT", "is not BASE/QUOTE", "write it like BTC/USDT"),
        ("BTC/USDT,btc/usdt", "BTC/USDT twice", "once"),
        ("BTC/USDT,ETH/BTC", "mixes the quote currencies BTC, USDT", "one bot per quote"),
        ("BTC/BTC", "same base and quote", ""),
        (",", "names no symbol", "BTC/USDT"),
    ],
)
def test_wrong_symbols_are_named(text, message, fix):
    with pytest.raises(TextError, match=message) as caught:
        lists.symbols().parse(text)
    assert fix in caught.value.fix


def test_the_seeds_placeholder_is_refused_with_a_hint():
    with pytest.raises(TextError, match="placeholder") as caught:
        parse.choice("paper", "live").parse("paper|live")
    assert "paper, live" in caught.value.fix


def test_a_mistyped_choice_gets_the_nearest():
    with pytest.raises(TextError) as caught:
        parse.choice("first", "vote", "weighted").parse("wieghted")
    assert caught.value.fix == "did you mean weighted?"


@pytest.mark.parametrize("text", ["gate", "gateio", "Gate.IO", "GATEIO"])
def test_gates_names_are_one(text):
    assert parse.exchange().parse(text) == "gateio"


def test_weights():
    assert lists.weights().parse("ema_atr:1.0, Super-Trend=0.5,x:0") == {
        "ema_atr": 1,
        "super_trend": 0.5,
        "x": 0,
    }


@pytest.mark.parametrize("text", ["ema_atr", "ema_atr:-1", "ema_atr:nan", ":1", "a:1,a:2"])
def test_malformed_weights(text):
    with pytest.raises(TextError):
        lists.weights().parse(text)


def test_names_are_normalized_but_paths_stay():
    assert lists.names("x").parse("EMA-ATR, ./My/Idea.py") == ("ema_atr", "./My/Idea.py")


def test_a_name_given_twice_is_an_error():
    with pytest.raises(TextError, match="ema_atr twice"):
        lists.names("x").parse("ema_atr,EMA_ATR")


def test_an_optional_amount_may_be_empty():
    kind = parse.optional_money(gt=0)
    assert kind.parse("") is None
    assert kind.parse("7.5") == Decimal("7.5")
