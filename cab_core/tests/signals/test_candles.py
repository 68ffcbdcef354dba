from __future__ import annotations

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.bars import Bars
from cab_core.domain.candles import blocks, prepare, validate, window_start
from cab_core.domain.timeframes import TF_MS, TIMEFRAMES

START = 1_700_000_100_000 // TF_MS * TF_MS


def flat(ts_ms: list[int], close: float = 10.0) -> Bars:
    n = len(ts_ms)
    return Bars.of(ts_ms, [close] * n, [close + 1] * n, [close - 1] * n, [close] * n, [5.0] * n)


def stamps_of(missing: list[int], tf_ms: int = TF_MS) -> list[int]:
    """Open times with ``missing[i]`` candles left out after candle i."""
    steps = np.array([0, *missing]) + 1
    first = START // tf_ms * tf_ms
    return [first + int(row) * tf_ms for row in np.cumsum(steps) - 1]


@pytest.mark.catalogue(66)
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("open", 0.0),
        ("open", np.nan),
        ("open", 11.5),
        ("low", -1.0),
        ("low", 10.5),
        ("high", np.inf),
        ("high", 9.5),
        ("close", 8.5),
        ("volume", -0.1),
        ("volume", np.nan),
        ("ts_ms", START + 7),
        ("ts_ms", START),
        ("ts_ms", START - TF_MS),
    ],
)
def test_a_bad_row_of_a_feed_is_dropped_and_counted(column: str, value: float) -> None:
    good = flat([START, START + TF_MS, START + 2 * TF_MS])
    columns = {
        name: getattr(good, name).copy() for name in ("ts_ms", "open", "high", "low", "close", "volume")
    }
    columns[column][1] = value
    kept, dropped = validate(Bars.of(**columns))
    assert dropped == 1
    assert kept.ts_ms.tolist() == [START, START + 2 * TF_MS]


def test_a_bad_stamp_far_in_the_future_does_not_swallow_the_rows_after_it() -> None:
    odd = START + 1_000_000 * TF_MS + 1
    kept, dropped = validate(flat([START, odd, START + TF_MS]))
    assert (kept.ts_ms.tolist(), dropped) == ([START, START + TF_MS], 1)


def test_good_rows_pass_untouched() -> None:
    bars = flat(stamps_of([0, 3, 0]))
    assert validate(bars) == (bars, 0)


def test_a_candle_in_which_nothing_was_traded_is_one() -> None:
    good = flat(stamps_of([0, 3, 0]))
    still = attrs.evolve(good, volume=np.zeros(len(good)))
    assert validate(still) == (still, 0)


def test_a_short_hole_is_filled_flat_at_the_previous_close() -> None:
    series = prepare(flat(stamps_of([0, 8, 0])))
    bars = series.bars
    assert np.diff(bars.ts_ms).tolist() == [TF_MS] * 11
    assert np.flatnonzero(bars.synthetic).tolist() == list(range(2, 10))
    filled = bars.take(bars.synthetic)
    for column in (filled.open, filled.high, filled.low, filled.close):
        assert (column == 10.0).all()
    assert (filled.volume == 0).all()
    assert (series.segment == 0).all()


@pytest.mark.catalogue(65)
def test_a_longer_hole_starts_a_new_stretch() -> None:
    series = prepare(flat(stamps_of([0, 9, 2, 0])))
    assert not series.bars.synthetic[:3].any()
    assert series.segment.tolist() == [0, 0, 2, 2, 2, 2, 2]
    assert np.flatnonzero(series.bars.synthetic).tolist() == [3, 4]


def test_nothing_comes_of_nothing() -> None:
    series = prepare(flat([]))
    assert len(series) == 0
    assert blocks(series) == []
    assert validate(flat([]))[1] == 0


holes = st.lists(st.one_of(st.just(0), st.integers(0, 3), st.sampled_from([7, 8, 9, 40])), max_size=60)


@given(holes, st.sampled_from(["15m", "1h", "1w"]), st.integers(1, 12))
def test_blocks_agree_with_the_window_of_every_single_bar(missing: list[int], tf: str, lookback: int) -> None:
    tf_ms = TIMEFRAMES[tf]
    offset = 4 * 86_400_000 if tf == "1w" else 0
    series = prepare(flat([ts + offset for ts in stamps_of(missing, tf_ms)]), tf_ms)
    expected = [
        window_start(series.bars.ts_ms, int(series.segment[row]), row, tf_ms, lookback)
        for row in range(len(series))
    ]
    found = [block.start for block in blocks(series, tf_ms, lookback) for _ in range(block.first, block.stop)]
    assert found == expected


@given(holes, st.integers(1, 12))
def test_windows_hold_lookback_to_twice_lookback_bars_and_never_cross_a_cut(
    missing: list[int], lookback: int
) -> None:
    series = prepare(flat(stamps_of(missing)))
    for block in blocks(series, TF_MS, lookback):
        for row in range(block.first, block.stop):
            length = row - block.start + 1
            assert block.start >= series.segment[row]
            assert length <= 2 * lookback
            assert length >= min(lookback, row - int(series.segment[row])) + 1


@given(holes, st.data())
def test_later_candles_do_not_change_what_earlier_rows_look_like(
    missing: list[int], data: st.DataObject
) -> None:
    bars = flat(stamps_of(missing))
    cut = data.draw(st.integers(1, len(bars)))
    whole, part = prepare(bars), prepare(bars[:cut])
    n = len(part)
    for found, expected in zip(whole.bars[:n].columns(), part.bars.columns(), strict=True):
        assert np.array_equal(found, expected)
    assert np.array_equal(whole.segment[:n], part.segment)
