from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.bars import Bars
from cab_core.domain.candles import prepare
from cab_core.domain.quality import BuyBlock, filter_buys
from cab_core.domain.timeframes import TF_MS
from cab_core.domain.trend import Trend, TrendSettings
from cab_core.domain.volume import confirm_volume


def with_volume(volume: list[float], synthetic: list[bool] | None = None) -> Bars:
    n = len(volume)
    price = [1.0] * n
    return Bars.of(np.arange(n) * TF_MS, price, price, price, price, volume, synthetic)


def test_ratios_equal_the_reference(
    candles: Callable[[str], Bars], rows: Callable[[str], list[dict[str, str]]]
) -> None:
    for name in ("synth_a", "real_btc"):
        found = confirm_volume(candles(f"ohlcv_15m_{name}.csv"), 0.8)
        expected = [float(row["rvol20"] or "nan") for row in rows(f"indicators_{name}.csv")]
        np.testing.assert_allclose(found.ratio, expected, rtol=1e-9)
        assert found.ok.tolist() == [value >= 0.8 for value in expected]


@pytest.mark.parametrize(("last", "ok"), [(7.999, False), (8.0, True), (0.0, False)])
def test_the_minimum_ratio_is_inclusive(last: float, ok: bool) -> None:
    found = confirm_volume(with_volume([10.0] * 20 + [last]), 0.8)
    assert (found.ok[-1], found.unavailable[-1]) == (ok, False)


def test_without_twenty_bars_before_it_no_bar_is_confirmed() -> None:
    found = confirm_volume(with_volume([10.0] * 21), 0.8)
    assert found.ok.tolist() == [False] * 20 + [True]


def test_a_source_without_volume_skips_the_filter() -> None:
    found = confirm_volume(with_volume([0.0] * 22), 0.8)
    assert found.ok.tolist() == [False] * 20 + [True] * 2
    assert found.unavailable.tolist() == [False] * 20 + [True] * 2


def test_volume_after_silence_is_low_volume_because_there_is_no_mean() -> None:
    found = confirm_volume(with_volume([0.0] * 20 + [5.0]), 0.8)
    assert not found.ok[-1]
    assert not found.unavailable[-1]


@pytest.mark.catalogue(65)
def test_a_filled_candle_is_never_confirmed() -> None:
    found = confirm_volume(with_volume([0.0] * 22, [False] * 21 + [True]), 0.0)
    assert found.ok[-2:].tolist() == [True, False]


def test_no_mean_reaches_across_a_cut() -> None:
    bars = with_volume([10.0] * 60)
    cut = bars.take(np.r_[0:30, 45:60])
    series = prepare(cut)
    found = confirm_volume(series.bars, 0.8, series.segment)
    assert found.ok.tolist() == [False] * 20 + [True] * 10 + [False] * 15


@given(st.lists(st.floats(0, 1e9), min_size=22, max_size=90), st.data())
def test_a_row_has_the_same_bits_in_every_window_that_holds_its_21_bars(
    volume: list[float], data: st.DataObject
) -> None:
    row = data.draw(st.integers(20, len(volume) - 1))
    start = data.draw(st.integers(0, row - 20))
    stop = data.draw(st.integers(row + 1, len(volume)))
    whole = confirm_volume(with_volume(volume), 0.8)
    part = confirm_volume(with_volume(volume[start:stop]), 0.8)
    assert np.array_equal(part.ratio[row - start], whole.ratio[row], equal_nan=True)
    assert part.ok[row - start] == whole.ok[row]


STATES = np.array([Trend.DOWN, Trend.FLAT, Trend.UP, Trend.UNKNOWN], np.int8)


@pytest.mark.parametrize(
    ("settings", "reasons"),
    [
        (TrendSettings(), ["against_trend", "", "", "trend_insufficient_history"]),
        (
            TrendSettings(require_up=True),
            ["against_trend", "trend_not_up", "", "trend_insufficient_history"],
        ),
        (TrendSettings(unknown_blocks=False), ["against_trend", "", "", ""]),
    ],
)
def test_each_trend_state_stops_buys_as_configured(settings: TrendSettings, reasons: list[str]) -> None:
    action = np.ones((2, 4), np.int8)
    found = filter_buys(action, STATES, None, settings)
    assert [BuyBlock(code).reason for code in found.block.tolist()] == reasons
    assert found.action.tolist() == [[int(not reason) for reason in reasons]] * 2


def test_the_trend_names_the_reason_before_the_volume() -> None:
    found = filter_buys(np.ones((1, 4), np.int8), STATES, np.zeros(4, np.bool_), TrendSettings())
    assert [BuyBlock(code).reason for code in found.block.tolist()] == [
        "against_trend",
        "low_volume",
        "low_volume",
        "trend_insufficient_history",
    ]


@given(
    st.lists(
        st.tuples(st.sampled_from([-1, 0, 1]), st.sampled_from([-1, 0, 1, 2]), st.booleans()), max_size=50
    )
)
def test_sells_and_holds_are_never_touched_and_the_input_stays(cells: list[tuple[int, int, bool]]) -> None:
    action = np.array([[a for a, _, _ in cells]], np.int8).reshape(1, len(cells))
    state = np.array([s for _, s, _ in cells], np.int8)
    before = action.copy()
    found = filter_buys(action, state, np.array([v for _, _, v in cells], np.bool_), TrendSettings())
    assert np.array_equal(action, before)
    assert np.array_equal(found.action[before <= 0], before[before <= 0])
    assert np.array_equal(found.action[before > 0] == 1, (found.block == 0)[before[0] > 0])
