"""Fixtures: one exchange per test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from ccxt_world import OTHER, RULES, SYMBOL, BotClock, D, World

from cab_exchange_sim.testing import running_exchange, sample_exchange


@pytest.fixture
def world() -> Iterator[World]:
    exchange = sample_exchange(
        symbols=(SYMBOL, OTHER),
        instruments=RULES,
        balances={"main": {"USDT": D(10_000), "BTC": D(1)}},
    )
    with running_exchange(exchange) as venue:
        yield World(venue, BotClock(venue))
