"""What the charts are given: reduced curves keep their extremes, packed candles their prices."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.bars import Bars
from cab_core.report.candles import candle_sets
from cab_core.report.curves import extreme_rows

BAR = 900_000


def bars_at(times: list[int], price: float = 0.00001234) -> Bars:
    close = np.round(price * (1 + np.arange(len(times)) % 7), 8)
    return Bars.of(times, close, close, close, close, np.ones(len(times)))


def unpacked(found: dict[str, object], name: str) -> list[float]:
    raw = base64.b64decode(str(found[name]))
    decimals = found["decimals"]
    if decimals is None:
        return np.frombuffer(raw, "<f8").tolist()
    return (np.frombuffer(raw, "<i4") / 10 ** int(str(decimals))).tolist()


def times_of(found: dict[str, object]) -> list[int]:
    runs, tf = found["runs"], found["tf"]
    assert isinstance(runs, list)
    assert isinstance(tf, int)
    return [1000 * (start + k * tf) for start, count in runs for k in range(count)]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(1, 40))
def test_extremes_and_ends_are_kept(values: list[float], buckets: int) -> None:
    column = np.array(values)
    rows = extreme_rows((column, -column), buckets).tolist()
    assert rows == sorted(set(rows))
    assert {0, len(values) - 1} <= set(rows)
    assert max(column[rows]) == max(values)
    assert min(column[rows]) == min(values)
    assert len(rows) <= 4 * (buckets + 1) + 2 or len(rows) == len(values)


def test_prices_are_exact_and_holes_are_kept() -> None:
    times = [BAR * n for n in (1, 2, 3, 50, 51, 90)]
    (found,) = candle_sets(bars_at(times), [], budget=100)
    assert found["tf"] == 900
    assert found["runs"] == [[900, 3], [45_000, 2], [81_000, 1]]
    assert times_of(found) == times
    assert unpacked(found, "c") == bars_at(times).close.tolist()


def test_prices_of_many_digits_stay_floats() -> None:
    times = [BAR, 2 * BAR]
    bars = Bars.of(times, *[[np.pi * 1e5, np.e * 1e5]] * 4, [1, 1])
    (found,) = candle_sets(bars, [], budget=100)
    assert found["decimals"] is None
    assert unpacked(found, "h") == [np.pi * 1e5, np.e * 1e5]


def test_a_long_history_is_coarse_but_exact_around_trades() -> None:
    times = [BAR * n for n in range(4_000)]
    span = (2_000 * BAR + 3_000, 2_010 * BAR + 3_000)
    fine, coarse = candle_sets(bars_at(times), [span], budget=1_200)
    assert coarse["tf"] == 3_600
    assert len(times_of(coarse)) == 1_000
    assert fine["tf"] == 900
    assert times_of(fine)[0] < span[0] - 20 * BAR
    assert times_of(fine)[-1] > span[1] + 10 * BAR
    assert len(times_of(fine)) == pytest.approx(60, abs=5)
