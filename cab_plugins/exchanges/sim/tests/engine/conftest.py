"""Small markets whose every price is known, and short words for orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest

from cab_core.domain.bars import Bars
from cab_core.domain.market import Costs
from cab_core.domain.orders import Side
from cab_exchange_sim.engine import Exchange, OrderRequest, StopRequest, VenueSettings

T0 = 1_704_067_200_000
TF = 900_000

#: No spread, no slippage: the price is bid and ask.
BARE = Costs(Decimal("0.002"), Decimal(0), Decimal(0))

Row = tuple[float, float, float, float]


@pytest.fixture
def make() -> Callable[..., Exchange]:
    """Build an exchange from rows of open, high, low, close and any settings."""

    def build(rows: Sequence[Row], **settings: Any) -> Exchange:
        columns = zip(*rows, strict=True)
        bars = Bars.of([T0 + i * TF for i in range(len(rows))], *columns, [10.0] * len(rows))
        amounts = {"USDT": Decimal(1_000), "BTC": Decimal(2)}
        return Exchange(
            {"BTC/USDT": bars},
            settings=VenueSettings(**({"costs": BARE} | settings)),
            balances={"main": amounts, "other": dict(amounts)},
        )

    return build


@pytest.fixture
def market() -> Callable[..., OrderRequest]:
    def build(side: str, amount: str, text: str = "t-m", **more: Any) -> OrderRequest:
        size = {"side": Side(side), "amount": Decimal(amount), "text": text}
        return OrderRequest(**({"pair": "BTC_USDT", "type": "market", "tif": "ioc"} | size | more))

    return build


@pytest.fixture
def limit() -> Callable[..., OrderRequest]:
    def build(side: str, amount: str, price: str, text: str = "t-l", **more: Any) -> OrderRequest:
        size = {"side": Side(side), "amount": Decimal(amount), "price": Decimal(price), "text": text}
        return OrderRequest(**({"pair": "BTC_USDT", "type": "limit"} | size | more))

    return build


@pytest.fixture
def stop() -> Callable[..., StopRequest]:
    def build(trigger: str, price: str, amount: str = "1", **more: Any) -> StopRequest:
        size = {"trigger": Decimal(trigger), "price": Decimal(price), "amount": Decimal(amount)}
        rest = {"pair": "BTC_USDT", "rule": "<=", "ttl_s": 86_400, "side": Side.SELL}
        return StopRequest(**(rest | size | more))

    return build
