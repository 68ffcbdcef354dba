"""Makes the helpers beside the tests importable, and reads the reference cases."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cab_core.domain.market import Candle

sys.path.insert(0, str(Path(__file__).parent))


def _text(name: str) -> str:
    root = next(p for p in Path(__file__).resolve().parents if (p / "requirements-workspace.txt").exists())
    path = root.parent / "shared" / "reference" / name
    if not path.exists():
        pytest.skip(f"no reference vectors at {path}")
    return path.read_text(encoding="utf-8")


def _reference(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(_text(name))
    return loaded


@pytest.fixture(scope="session")
def cases() -> dict[str, Any]:
    """The reference cases of the account, which lie beside the checkout and not in it."""
    return _reference("cases_a.json")


@pytest.fixture(scope="session")
def exit_cases() -> dict[str, Any]:
    """The reference cases of protective exits along candles, beside the checkout likewise."""
    return _reference("exits_a.json")


@pytest.fixture(scope="session")
def real_candles() -> list[Candle]:
    """A week of real 15m candles, beside the checkout likewise."""
    rows = (line.split(",") for line in _text("ohlcv_15m_real_btc.csv").splitlines()[1:])
    return [Candle(int(ts), *(Decimal(price) for price in prices[:4])) for ts, *prices in rows]
