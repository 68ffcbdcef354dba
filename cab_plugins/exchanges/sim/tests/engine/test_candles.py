from __future__ import annotations

import pytest

from cab_core.data.generator import generate
from cab_core.domain.money import to_decimal
from cab_core.domain.resample import resample
from cab_core.domain.timeframes import TIMEFRAMES
from cab_exchange_sim.engine import Exchange, Refused

PAIR = "BTC_USDT"
DAY = 86_400_000


@pytest.fixture(scope="module")
def bars():
    return generate("BTC/USDT", 120, 7)


@pytest.fixture
def exchange(bars):
    opened = Exchange({"BTC/USDT": bars})
    opened.advance(opened.now_ms + 100 * DAY + 7 * 3_600_000 + 123_456)
    return opened


@pytest.mark.parametrize("interval", ["15m", "1h", "4h", "1d"])
def test_closed_candles_are_those_that_paper_trades_on(exchange, bars, interval):
    tf = TIMEFRAMES[interval]
    closed = bars.take(bars.ts_ms + 900_000 <= exchange.now_ms)
    expected = resample(closed, "15m", interval)
    served = [c for c in exchange.candles(PAIR, interval, limit=500) if c.closed]
    newest = list(expected)[-len(served) :]
    assert len(served) > 90
    shown = [(c.ts_ms, c.open, c.high, c.low, c.close, c.volume) for c in served]
    assert shown == [(row[0], *map(to_decimal, row[1:])) for row in newest]
    assert all(c.ts_ms + tf <= exchange.now_ms for c in served)


def test_the_running_candle_comes_last_and_holds_what_has_happened(exchange):
    [*_, running] = exchange.candles(PAIR, "1h", limit=3)
    path = exchange.market(PAIR).path
    seen = [path.price_at(ms) for ms in range(running.ts_ms, exchange.now_ms + 1, 1_000)]
    assert not running.closed
    assert running.ts_ms == exchange.now_ms // 3_600_000 * 3_600_000
    assert (running.open, running.close) == (seen[0], path.price_at(exchange.now_ms))
    assert running.low <= min(seen)
    assert running.high >= max(seen)


def test_weeks_are_counted_from_the_epoch_not_from_mondays(exchange):
    assert {c.ts_ms % (7 * DAY) for c in exchange.candles(PAIR, "7d", limit=5)} == {0}


def test_faults_of_candles(exchange):
    conditions = exchange.pair_conditions(PAIR).candles
    stamps = [c.ts_ms for c in exchange.candles(PAIR, "15m", limit=4)]
    conditions.missing_ms.add(stamps[0])
    conditions.doubled_ms.add(stamps[1])
    conditions.late_ms = 900_000
    conditions.unfinished_as_closed = True
    served = exchange.candles(PAIR, "15m", limit=4)
    assert [c.ts_ms for c in served] == [stamps[1], stamps[1], stamps[2], stamps[3]]
    assert [c.closed for c in served] == [True, True, False, True]


@pytest.mark.parametrize(
    "asked",
    [
        {"limit": 1001},
        {"limit": 5, "to_ms": 1},
        {"from_ms": 0},
        {"from_ms": 1_704_067_200_000, "to_ms": 1_704_067_200_000 + 1_000 * 900_000},
    ],
)
def test_more_than_the_venue_gives_is_refused(exchange, asked):
    with pytest.raises(Refused, match="INVALID_PARAM_VALUE"):
        exchange.candles(PAIR, "15m", **asked)


def test_a_range_is_served_whole(exchange):
    first = exchange.now_ms // 900_000 * 900_000 - 999 * 900_000
    served = exchange.candles(PAIR, "15m", from_ms=first)
    assert served[0].ts_ms == first
    assert 990 < len(served) <= 1000
