from __future__ import annotations

import time

import pytest

from cab_core.data.files import write_candles
from cab_core.data.generator import START_MS, generate
from cab_core.data.symbols import NamedFile
from cab_core.errors import DataError, RefusedError
from cab_exchange_sim.market_clock import MarketClock
from cab_exchange_sim.offer import Offer
from cab_exchange_sim.server import ExchangeServer

WEEK = 7 * 86_400_000


def test_files_are_played_on_their_own_dates(tmp_path):
    for symbol in ("BTC/USDT", "ETH/USDT"):
        write_candles(tmp_path / f"{symbol.replace('/', '-')}_15m.csv.gz", generate(symbol, 9, 1))
    files = tuple(map(NamedFile, sorted(tmp_path.iterdir())))
    exchange = Offer(files=files, open_ms=START_MS + 3 * 86_400_000).exchange()
    assert list(exchange.markets) == ["BTC_USDT", "ETH_USDT"]
    assert exchange.now_ms == START_MS + 3 * 86_400_000
    assert exchange.candles("ETH_USDT", "15m", limit=2)[0].closed
    with pytest.raises(DataError):
        Offer(files=(files[0], files[0])).exchange()


def test_at_the_present_the_candles_keep_their_weekdays_and_history():
    exchange = Offer(days=60, to_present=True).exchange()
    assert abs(exchange.now_ms - time.time() * 1000) < 60_000
    start_ms = exchange.market("BTC_USDT").path.start_ms
    assert (start_ms - START_MS) % WEEK == 0
    assert 20 * 86_400_000 <= exchange.now_ms - start_ms < 20 * 86_400_000 + WEEK


def test_an_address_that_others_can_reach_must_be_wanted():
    exchange = Offer(days=2).exchange()
    with pytest.raises(RefusedError, match=r"0\.0\.0\.0"):
        ExchangeServer(exchange, MarketClock(exchange.now_ms), [], host="0.0.0.0")
