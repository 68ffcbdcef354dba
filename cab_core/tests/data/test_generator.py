from __future__ import annotations

import hashlib

import numpy as np
import pytest

from cab_core.data.generator import START_MS, generate
from cab_core.data.rows import format_rows
from cab_core.domain.bars import Bars, IntArray
from cab_core.domain.candles import MAX_HOLE, prepare, validate
from cab_core.domain.resample import resample
from cab_core.domain.timeframes import DAY_MS, TF_MS
from cab_core.domain.trend import Trend, TrendSettings, combine, trend_columns
from cab_core.domain.volume import confirm_volume
from cab_core.errors import UsageError


def digest(bars: Bars) -> str:
    return hashlib.sha256(format_rows(bars)).hexdigest()


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("BTC/USDT", "8713963758ea62f687a889ea351c709136213bdf22443733fc514ee94e41f6b9"),
        ("PEPE/USDT", "025c4c4378373222dd15b5bfaf9bd190f8e0701f0f3c047288c92305f6b131b9"),
    ],
)
def test_a_seed_gives_the_same_bytes_on_every_machine(symbol: str, expected: str) -> None:
    assert digest(generate(symbol, 30, 11)) == expected


def test_seed_and_symbol_make_the_market_and_case_does_not_matter() -> None:
    assert digest(generate("ETH/USDT", 2, 1)) == digest(generate("eth/usdt", 2, 1))
    markets = {digest(generate(symbol, 2, seed)) for symbol in ("BTC/USDT", "ETH/USDT") for seed in (1, 2)}
    assert len(markets) == 4


def test_a_longer_market_starts_like_a_shorter_one() -> None:
    short, long = generate("SOL/USDT", 10, 5), generate("SOL/USDT", 40, 5)
    assert format_rows(long).startswith(format_rows(short))


def test_the_span_is_what_was_asked_for() -> None:
    bars = generate("BTC/USDT", 30, 3)
    assert bars.ts_ms[0] == START_MS
    assert bars.ts_ms[-1] <= START_MS + 30 * DAY_MS - TF_MS
    ended = generate("BTC/USDT", 30, 3, end_ms=START_MS + 100 * DAY_MS + 5)
    assert ended.ts_ms[0] == START_MS + 70 * DAY_MS
    assert np.array_equal(ended.close, bars.close)


@pytest.mark.parametrize("symbol", ["BTC/USDT", "ETH/USDT", "DOGE/USDT", "NEW/USDT"])
def test_the_candles_look_like_a_crypto_market(symbol: str) -> None:
    for seed in range(6):
        bars = generate(symbol, 60, seed)
        assert validate(bars) == (bars, 0)
        missing = np.diff(bars.ts_ms) // TF_MS - 1
        assert 0 <= missing.sum() <= 40
        assert missing.max() <= MAX_HOLE
        moves = np.diff(bars.close) / bars.close[:-1]
        assert 0.002 < moves.std() < 0.006
        assert np.mean((moves / moves.std()) ** 4) > 3.5, "large moves are more frequent than in a bell curve"
        assert (bars.volume > 0).all()


def test_volume_has_a_daily_rhythm_and_confirms_a_part_of_the_bars() -> None:
    bars = generate("BTC/USDT", 60, 2)
    hour = bars.ts_ms % DAY_MS // 3_600_000
    assert bars.volume[hour == 14].mean() > 1.5 * bars.volume[hour == 4].mean()
    assert 0.3 < confirm_volume(bars).ok.mean() < 0.7


def first_touches(bars: Bars, rows: IntArray) -> set[str]:
    """Return which exits buyers at the opens of ``rows`` would meet: 5 % down, 2 % up, 5 % up or back."""
    found = set()
    for row in rows.tolist():
        entry = bars.open[row]
        low = np.flatnonzero(bars.low[row:] <= 0.95 * entry)
        first = np.flatnonzero(bars.high[row:] >= 1.02 * entry)
        if len(low) and (not len(first) or low[0] < first[0]):
            found.add("stop_loss")
        elif len(first):
            found.add("take_profit_1")
            second = np.flatnonzero(bars.high[row + first[0] :] >= 1.05 * entry)
            back = np.flatnonzero(bars.low[row + first[0] + 1 :] <= 1.004 * entry)
            if len(second) and (not len(back) or second[0] <= back[0]):
                found.add("take_profit_2")
            elif len(back):
                found.add("breakeven")
    return found


@pytest.mark.parametrize("seed", [1, 5, 11])
def test_a_month_offers_every_trend_and_every_exit(seed: int) -> None:
    bars = prepare(generate("BTC/USDT", 30, seed)).bars
    columns = {tf: trend_columns(tf, resample(bars, "15m", tf)) for tf in ("1h", "4h")}
    state = combine(columns, bars.ts_ms + TF_MS, TrendSettings()).state
    for trend in Trend:
        assert (state == trend).sum() > 50
    allowed = np.flatnonzero((state[:-1] == Trend.UP) | (state[:-1] == Trend.FLAT)) + 1
    assert first_touches(bars, allowed) == {"stop_loss", "take_profit_1", "take_profit_2", "breakeven"}


@pytest.mark.parametrize(("days", "seed"), [(0, 1), (3_661, 1), (1, -1)])
def test_impossible_wishes_are_refused(days: int, seed: int) -> None:
    with pytest.raises(UsageError):
        generate("BTC/USDT", days, seed)
