"""Builders of valid values for the tests of storage."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cab_core.domain.orders import Fill, Intent, Purpose, Side, intent_key
from cab_core.storage import Store

SYMBOL = "BTC/USDT"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "trader.sqlite3"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(path)
    yield opened
    await opened.close()


@pytest.fixture
def entry() -> Callable[..., Intent]:
    """Makes the entry intent of candle ``ref``."""

    def make(ref: int = 1, **changes: Any) -> Intent:
        values: dict[str, Any] = {
            "key": intent_key(SYMBOL, Side.BUY, Purpose.ENTRY, str(ref)),
            "symbol": SYMBOL,
            "side": Side.BUY,
            "purpose": Purpose.ENTRY,
            "reason": "vote:5-2",
            "trace_id": "00000000000000aa",
            "created_ms": 1000 + ref,
            "cost": Decimal("50.00"),
            "reference": Decimal("61234.50"),
        }
        return Intent(**(values | changes))

    return make


@pytest.fixture
def fill() -> Callable[..., Fill]:
    """Makes a fill with a given trade id."""

    def make(trade_id: str = "t1", **changes: Any) -> Fill:
        values: dict[str, Any] = {
            "trade_id": trade_id,
            "client_id": "t-cabc-1",
            "symbol": SYMBOL,
            "side": Side.BUY,
            "quantity": Decimal("0.00081000"),
            "price": Decimal("61240.10"),
            "fee": Decimal("0.00000162"),
            "fee_currency": "BTC",
            "ts_ms": 2000,
        }
        return Fill(**(values | changes))

    return make
