"""The stop that should rest at the exchange."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.exit_rules import ExitRules
from cab_core.domain.exits import after_take_profit_1, protect
from cab_core.domain.market import Instrument
from cab_core.domain.orders import Intent, OrderType, Purpose, Side
from cab_core.domain.resting import DesiredStop, desired_stop, replace_reason

D = Decimal

RULES = ExitRules()
INSTRUMENT = Instrument("BTC/USDT", D("0.0001"), D("0.1"), D("0.01"), D(3))
OFFSET = D("0.005")
PROTECTION = protect(D(10_003), D("0.0123456"), D("123.75"), RULES)


def resting(stop: DesiredStop, sent_ms: int = 0) -> Intent:
    return Intent(
        "key",
        "BTC/USDT",
        Side.SELL,
        stop.purpose,
        stop.kind,
        "-",
        0,
        type=OrderType.STOP_LIMIT,
        quantity=stop.quantity,
        trigger=stop.trigger,
        limit=stop.limit,
        sent_ms=sent_ms,
    )


def test_it_covers_the_whole_sellable_quantity_in_the_steps_of_the_venue():
    stop = desired_stop(PROTECTION, INSTRUMENT, OFFSET)
    assert stop == DesiredStop(D("0.0123"), D("9502.8"), D("9455.2"), "stop_loss")
    assert stop.purpose is Purpose.STOP_LOSS


def test_a_stop_that_protects_a_gain_is_rounded_up():
    taken = after_take_profit_1(PROTECTION, RULES)
    stop = desired_stop(taken, INSTRUMENT, OFFSET)
    assert stop is not None
    assert stop.kind == "breakeven"
    assert taken.stop <= stop.trigger < taken.stop + D("0.1")


@pytest.mark.catalogue(48)
@pytest.mark.parametrize(
    "instrument",
    [
        attrs.evolve(INSTRUMENT, min_notional=D(200)),
        attrs.evolve(INSTRUMENT, min_amount=D(1)),
        attrs.evolve(INSTRUMENT, amount_step=D(1)),
    ],
)
def test_what_is_too_small_for_the_venue_has_no_stop_there(instrument: Instrument):
    assert desired_stop(PROTECTION, instrument, OFFSET) is None


@pytest.mark.catalogue(48)
def test_a_stop_worth_just_the_least_may_rest():
    stop = desired_stop(PROTECTION, INSTRUMENT, OFFSET)
    assert stop is not None
    exact = attrs.evolve(INSTRUMENT, min_notional=stop.quantity * stop.limit, min_amount=stop.quantity)
    assert desired_stop(PROTECTION, exact, OFFSET) == stop


@given(st.decimals("1", "99999", places=3), st.decimals("0.001", "5", places=6), st.booleans())
def test_it_never_sells_more_than_is_held_and_never_above_its_trigger(price, quantity, taken):
    p = protect(price, quantity, price * quantity, RULES)
    stop = desired_stop(after_take_profit_1(p, RULES) if taken else p, INSTRUMENT, OFFSET)
    if stop is None:
        assert quantity * price < 4 or price < 20
        return
    assert stop.quantity <= quantity
    assert 0 < stop.limit < stop.trigger
    assert not stop.quantity % INSTRUMENT.amount_step
    assert not stop.trigger % INSTRUMENT.price_tick
    assert not stop.limit % INSTRUMENT.price_tick


def test_it_is_replaced_for_a_reason_only():
    stop = desired_stop(PROTECTION, INSTRUMENT, OFFSET)
    assert stop is not None
    half_life_ms = 43_200_000
    assert replace_reason(resting(stop), stop, half_life_ms - 1, 86_400) is None
    assert replace_reason(resting(stop), stop, half_life_ms, 86_400) == "expiring"
    assert replace_reason(resting(stop), stop, half_life_ms, None) is None
    smaller = attrs.evolve(stop, quantity=D("0.006"))
    assert replace_reason(resting(stop), smaller, 0, None) == "quantity"
    hardly = attrs.evolve(stop, trigger=stop.trigger * D("1.0009"))
    assert replace_reason(resting(stop), hardly, 0, None) is None
    higher = attrs.evolve(stop, trigger=stop.trigger * D("1.001"))
    assert replace_reason(resting(stop), higher, 0, None) == "raised"
