"""The kit's standard checks of brokers, on the local exchange instead of a made-up market."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from ccxt_world import BotClock

from cab_broker_ccxt import Gateio
from cab_core.sdk import Bars, Broker
from cab_core.testing import BrokerConformance, story
from cab_core.testing.broker import API_KEY, API_SECRET
from cab_core.testing.series import START_MS, TF_MS
from cab_exchange_sim.testing import RunningExchange, running_exchange, sample_exchange


def still(symbol: str) -> Bars:
    """Return twenty days at 100."""
    del symbol
    flat = story([100.0] * 1920)
    stamps = START_MS + TF_MS * np.arange(1920)
    return Bars.of(stamps, flat.open, flat.high, flat.low, flat.close, flat.volume)


class OnTheLocalExchange(BrokerConformance):
    """The same money, the same symbols, the same credentials; only the address is another."""

    venue: RunningExchange

    @pytest.fixture(autouse=True)
    def serve(self) -> Iterator[None]:
        exchange = sample_exchange(
            bars={symbol: still(symbol) for symbol in ("BTC/USDT", "ETH/USDT")},
            balances={"main": {"USDT": Decimal(10_000)}},
        )
        with running_exchange(exchange, key=API_KEY, secret=API_SECRET) as venue:
            self.venue = venue
            self.clock = BotClock(venue)
            yield

    def opened(self) -> Broker:
        plugin: Any = self.plugin(base_url=self.venue.base_url)
        broker: Broker = plugin.open(self.account())
        return broker


class TestGateio(OnTheLocalExchange):
    plugin = Gateio
