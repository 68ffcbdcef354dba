from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cab_core.domain.orders import Fill
from cab_core.storage import Store, load_fills, save_fill
from cab_core.storage.types import Money, decimal_text

_FINITE = st.decimals(allow_nan=False, allow_infinity=False)


@given(value=_FINITE)
def test_every_digit_is_kept(value: Decimal) -> None:
    assert Decimal(decimal_text(value)).as_tuple() == value.as_tuple()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(price=_FINITE, quantity=_FINITE)
async def test_money_comes_back_from_the_database_digit_by_digit(
    store: Store, fill: Callable[..., Fill], price: Decimal, quantity: Decimal
) -> None:
    trade = fill(f"{price}/{quantity}", price=price, quantity=quantity)
    await store.transact(lambda c: save_fill(c, "paper", trade))
    found = next(one for one in await store.read(load_fills) if one.trade_id == trade.trade_id)

    assert found.price.as_tuple() == price.as_tuple()
    assert found.quantity.as_tuple() == quantity.as_tuple()


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (0.1, TypeError),
        (1, TypeError),
        ("1", TypeError),
        (Decimal("NaN"), ValueError),
        (Decimal("-Inf"), ValueError),
    ],
)
def test_what_is_no_finite_decimal_is_refused(value: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="money must be"):
        decimal_text(value)  # type: ignore[arg-type]  # the wrong type is the point


async def test_a_float_never_reaches_a_money_column(store: Store, fill: Callable[..., Fill]) -> None:
    with pytest.raises(sa.exc.StatementError, match="money must be Decimal, not float"):
        await store.transact(lambda c: save_fill(c, "paper", fill(price=61240.1)))
    assert await store.read(load_fills) == []


def test_nothing_stays_nothing() -> None:
    dialect = sa.create_engine("sqlite://").dialect
    assert Money().process_bind_param(None, dialect) is None
    assert Money().process_result_value(None, dialect) is None
