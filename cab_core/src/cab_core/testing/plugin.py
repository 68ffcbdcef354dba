"""The pytest plugin: fixtures for tests of cab plugins.

pytest loads this module at every start, so everything heavy is imported when a fixture is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cab_core.sdk import Bars, BookView, Entry
    from cab_core.testing.fakes import CannedHttp, VirtualClock


@pytest.fixture(scope="session")
def cab_market() -> Mapping[str, Bars]:
    """Twelve seeded series of 15m candles by name."""
    from cab_core.testing.series import market

    return market()


@pytest.fixture
def cab_clock() -> VirtualClock:
    """A virtual clock at 2024-01-01 00:00 UTC that moves only when told."""
    from cab_core.testing.fakes import VirtualClock

    return VirtualClock()


@pytest.fixture
def cab_book() -> Callable[..., BookView]:
    """Factory of account snapshots: ``cab_book(equity=Decimal(9000))``."""
    from cab_core.testing.books import book

    return book


@pytest.fixture
def cab_entry() -> Callable[..., Entry]:
    """Factory of candidate buys: ``cab_entry(amount=Decimal(100))``."""
    from cab_core.testing.books import entry

    return entry


@pytest.fixture
def cab_http() -> type[CannedHttp]:
    """An HTTP client with canned documents: ``cab_http({"value": 104.2})``."""
    from cab_core.testing.fakes import CannedHttp

    return CannedHttp
