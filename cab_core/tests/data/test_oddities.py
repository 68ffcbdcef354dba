from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cab_core.data.generator import generate
from cab_core.data.oddities import oddities
from cab_core.domain.bars import Bars
from cab_core.domain.timeframes import DAY_MS, TF_MS

T0 = 1_704_067_200_000
LATE = T0 + 4000 * DAY_MS


def market(n: int = 500) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.003, n)))
    open_ = np.concatenate(([100.0], close[:-1]))
    return {
        "ts_ms": T0 + np.arange(n) * TF_MS,
        "open": open_,
        "high": np.maximum(open_, close) * 1.001,
        "low": np.minimum(open_, close) * 0.999,
        "close": close,
        "volume": rng.random(n) + 1,
    }


def absurd_low(m: dict[str, np.ndarray]) -> None:
    m["low"][77] = 0.01


def absurd_high(m: dict[str, np.ndarray]) -> None:
    m["high"][77] = 100_000


def absurd_candle(m: dict[str, np.ndarray]) -> None:
    for name in ("open", "high", "low", "close"):
        m[name][77] = 0.01


def stalled(m: dict[str, np.ndarray]) -> None:
    for name in ("open", "high", "low", "close", "volume"):
        m[name][100:300] = m[name][100]


def lifeless(m: dict[str, np.ndarray]) -> None:
    for name in ("open", "high", "low", "close"):
        m[name][100:300] = m["close"][99]
    m["volume"][100:300] = 0


@pytest.mark.parametrize(
    ("bend", "what"),
    [
        (absurd_low, "a price of 0.01 among candles"),
        (absurd_high, "a price of 100000 among candles"),
        (absurd_candle, "a price of 0.01 among candles"),
        (stalled, "200 candles from 2024-01-02 01:00 UTC repeat each other"),
        (lifeless, "200 candles from 2024-01-02 01:00 UTC stand at one price"),
    ],
)
def test_what_no_market_does_is_named_once(bend: Callable[[dict[str, np.ndarray]], None], what: str) -> None:
    bent = market()
    bend(bent)
    (told,) = oddities(Bars.of(**bent), TF_MS, LATE)
    assert what in told


def test_an_unfinished_and_a_future_candle_are_told_apart() -> None:
    bars = Bars.of(**market())
    last = int(bars.ts_ms[-1])
    (told,) = oddities(bars, TF_MS, last + TF_MS - 1)
    assert "not closed yet" in told
    assert oddities(bars, TF_MS, last + TF_MS) == []
    (told,) = oddities(bars, TF_MS, int(bars.ts_ms[9]))
    assert told.startswith("490 candles lie in the future, the first at 2024-01-01 02:30 UTC")


def test_a_crash_that_lasts_and_a_made_up_market_are_sound() -> None:
    fallen = market()
    for name in ("open", "high", "low", "close"):
        fallen[name][250:] *= 0.3
    fallen["open"][250] = fallen["high"][250] = fallen["close"][249]
    assert oddities(Bars.of(**fallen), TF_MS, LATE) == []
    assert oddities(generate("BTC/USDT", 60, 7), TF_MS, LATE) == []
