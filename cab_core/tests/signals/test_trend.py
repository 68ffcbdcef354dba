from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cab_core.domain.bars import Bars
from cab_core.domain.resample import resample
from cab_core.domain.timeframes import DAY_MS, HOUR_MS, TF_MS, TIMEFRAMES, TREND_TIMEFRAMES
from cab_core.domain.trend import Trend, TrendColumns, TrendSettings, combine, trend_columns
from cab_core.domain.trend_weights import BASE_WEIGHTS, AdaptiveTimeframeWeights, rolling_rank

Columns = dict[str, TrendColumns]


@pytest.fixture(scope="session")
def history(candles: Callable[[str], Bars]) -> dict[str, Bars]:
    found = {tf: candles(f"ohlcv_{tf}_synth_a.csv") for tf in ("1h", "4h", "1d")}
    return found | {"1w": resample(found["1d"], "1d", "1w")}


@pytest.fixture(scope="session")
def columns(history: dict[str, Bars]) -> Columns:
    return {tf: trend_columns(tf, bars) for tf, bars in history.items()}


def assert_equals(case: dict[str, Any], columns: Columns) -> None:
    rows = combine(columns, np.array([case["as_of_ms"]]), TrendSettings())
    assert Trend(int(rows.state[0])).label == case["state"]
    assert rows.score[0] == pytest.approx(case["score"], rel=1e-9, abs=1e-9)
    assert rows.coverage[0] == pytest.approx(case["coverage"])
    found = rows.explain(0)
    assert list(found) == [tf for tf in TREND_TIMEFRAMES if tf in case["per_tf"]]
    for tf, expected in case["per_tf"].items():
        for name in ("weight", "score", "rank"):
            assert found[tf][name] == pytest.approx(expected[name], rel=1e-9, abs=1e-9), (tf, name)


def test_full_history_equals_the_reference(vectors: Callable[[str], Any], columns: Columns) -> None:
    cases = vectors("trend_synth_a.json")["full_history"]
    assert len(cases) > 50
    for case in cases:
        assert_equals(case, columns)


def test_missing_history_equals_the_reference(vectors: Callable[[str], Any], columns: Columns) -> None:
    for case in vectors("trend_synth_a.json")["missing_history"]:
        assert_equals(case, {tf: columns[tf] for tf in case["per_tf"]})


def random_walk(tf: str, n: int, seed: int = 3) -> Bars:
    rng = np.random.default_rng(seed)
    close = 100 * np.cumprod(1 + 0.01 * rng.standard_normal(n))
    open_ = np.concatenate(([100.0], close[:-1]))
    first = 40 * DAY_MS if tf != "1w" else 4 * DAY_MS
    return Bars.of(
        first + np.arange(n) * TIMEFRAMES[tf],
        open_,
        np.maximum(open_, close) * 1.002,
        np.minimum(open_, close) * 0.998,
        close,
        np.ones(n),
    )


@pytest.mark.parametrize("tf", TREND_TIMEFRAMES)
def test_a_candle_has_the_same_values_live_and_in_replay(tf: str) -> None:
    bars = random_walk(tf, 760)
    whole = trend_columns(tf, bars)
    for n in (1, 14, 49, 50, 51, 104, 105, 208, 300, 301, 599, 600, 601, 733, 760):
        live = trend_columns(tf, bars[:n])
        assert live.available.tolist() == whole.available[:n].tolist()
        assert np.array_equal(live.score, whole.score[:n])
        assert np.array_equal(live.rank, whole.rank[:n], equal_nan=True)


def test_fifty_candles_make_a_timeframe_available() -> None:
    assert np.flatnonzero(trend_columns("1h", random_walk("1h", 60)).available)[0] == 49


def test_missing_candles_are_skipped_not_filled() -> None:
    bars = random_walk("1h", 200)
    holed = bars.take(np.arange(200) % 3 != 1)
    found = trend_columns("1h", holed)
    assert found.close_ms.tolist() == (holed.ts_ms + HOUR_MS).tolist()
    assert np.flatnonzero(found.available)[0] == 49


def test_a_market_that_never_moves_is_flat_with_a_typical_rank() -> None:
    n = 120
    price = np.full(n, 42.1)
    bars = Bars.of(np.arange(n) * HOUR_MS, price, price, price, price, np.zeros(n))
    found = trend_columns("1h", bars)
    assert (found.score == 0).all()
    assert (found.rank[49:] == 0.5).all()


@given(st.lists(st.sampled_from([1.0, 1.5, 2.0, 3.0]), min_size=1, max_size=140))
def test_the_rank_counts_smaller_values_and_half_of_equal_ones(values: list[float]) -> None:
    last = values[-100:]
    smaller = sum(value < last[-1] for value in last)
    equal = sum(value == last[-1] for value in last)
    padded = np.concatenate((np.full(99, np.nan), values))
    assert rolling_rank(padded)[-1] == smaller + equal / 2


@pytest.mark.catalogue(67)
def test_the_partial_candle_is_never_used() -> None:
    bars = random_walk("1h", 80)
    columns = {"1h": trend_columns("1h", bars)}
    close = int(bars.ts_ms[-1]) + HOUR_MS
    rows = combine(columns, np.array([close - TF_MS, close - 1, close]), TrendSettings())
    assert rows.timeframe("1h").score.tolist() == columns["1h"].score[[-2, -2, -1]].tolist()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_future_candles_do_not_change_earlier_rows(seed: int) -> None:
    quarters = random_walk("15m", 1200, seed)
    at_ms = quarters.ts_ms + TF_MS
    cut = 1 + seed % 1199
    rows = []
    for bars in (quarters, quarters[:cut]):
        columns = {tf: trend_columns(tf, resample(bars, "15m", tf)) for tf in ("1h", "4h", "1d")}
        rows.append(combine(columns, at_ms[:cut], TrendSettings(min_coverage=0.3)))
    whole, part = rows
    assert np.array_equal(whole.state, part.state)
    assert np.array_equal(whole.score, part.score)
    assert [whole.explain(k) for k in range(0, cut, 97)] == [part.explain(k) for k in range(0, cut, 97)]


def test_one_bar_and_a_block_of_bars_agree(columns: Columns) -> None:
    last = int(columns["1h"].close_ms[-1])
    at_ms = last - np.arange(400)[::-1] * TF_MS
    block = combine(columns, at_ms, TrendSettings())
    for k in range(0, 400, 7):
        single = combine(columns, at_ms[k : k + 1], TrendSettings())
        assert (single.state[0], single.score[0]) == (block.state[k], block.score[k])
        assert single.explain(0) == block.explain(k)


def stand_in(score: float, rank: float = 0.5) -> TrendColumns:
    return TrendColumns(np.array([1000]), np.array([True]), np.array([score]), np.array([rank]))


@pytest.mark.parametrize(
    ("score", "state"),
    [
        (0.1, Trend.FLAT),
        (0.1 + 1e-14, Trend.FLAT),
        (0.1001, Trend.UP),
        (-0.1, Trend.FLAT),
        (-0.1001, Trend.DOWN),
    ],
)
def test_the_deadband_is_inclusive(score: float, state: Trend) -> None:
    rows = combine({"1h": stand_in(score)}, np.array([1000]), TrendSettings())
    assert rows.state[0] == state


@pytest.mark.parametrize(
    ("present", "known"),
    [({"1h"}, True), ({"4h", "1w"}, True), ({"4h"}, False), ({"1d", "1w"}, False), (set(), False)],
)
def test_too_little_coverage_is_unknown(present: set[str], known: bool) -> None:
    rows = combine({tf: stand_in(1.0) for tf in present}, np.array([1000]), TrendSettings())
    assert rows.state[0] == (Trend.UP if known else Trend.UNKNOWN)
    assert combine({tf: stand_in(1.0) for tf in present}, np.array([999]), TrendSettings()).state[0] == 2


@given(
    st.dictionaries(
        st.sampled_from(TREND_TIMEFRAMES),
        st.lists(st.floats(0.01, 20), min_size=1, max_size=150),
        min_size=1,
    ),
    st.floats(0, 0.9),
)
def test_weights_always_sum_to_one(atr_data: dict[str, list[float]], sensitivity: float) -> None:
    weights = AdaptiveTimeframeWeights(sensitivity).calculate_weights(atr_data)
    assert set(weights) == set(atr_data)
    assert sum(weights.values()) == pytest.approx(1.0, abs=1e-12)
    assert all(weight > 0 for weight in weights.values())


def test_high_volatility_raises_a_weight_and_low_volatility_lowers_it() -> None:
    calm = {tf: [1.0] * 100 for tf in TREND_TIMEFRAMES}
    base = AdaptiveTimeframeWeights().calculate_weights(calm)
    assert base == pytest.approx(BASE_WEIGHTS)
    high = AdaptiveTimeframeWeights().calculate_weights(calm | {"4h": [1.0] * 99 + [2.0]})
    low = AdaptiveTimeframeWeights().calculate_weights(calm | {"4h": [1.0] * 99 + [0.5]})
    assert high["4h"] > base["4h"] > low["4h"]
    assert high["4h"] == pytest.approx(0.3 * 1.495 / (0.7 + 0.3 * 1.495))


def test_no_timeframe_has_no_weight() -> None:
    assert AdaptiveTimeframeWeights().calculate_weights({}) == {}
    assert AdaptiveTimeframeWeights().calculate_weights({"1h": []}) == {}
    with pytest.raises(ValueError, match="2h"):
        AdaptiveTimeframeWeights().calculate_weights({"2h": [1.0]})


@pytest.mark.parametrize("bad", [{"vol_sensitivity": 0.91}, {"min_coverage": -0.1}, {"deadband": 1.1}])
def test_settings_out_of_range_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        TrendSettings(**bad)  # type: ignore[arg-type] # only floats are given


@pytest.mark.parametrize(("growth", "score"), [(1.03, 1.0), (0.97, -1.0)])
def test_however_steep_a_move_its_score_is_one(growth: float, score: float) -> None:
    close = 100 * growth ** np.arange(200.0)
    open_ = close / growth
    bars = Bars.of(
        40 * DAY_MS + np.arange(200) * HOUR_MS,
        open_,
        np.maximum(open_, close),
        np.minimum(open_, close),
        close,
        np.ones(200),
    )
    columns = trend_columns("1h", bars)
    assert set(columns.score[columns.available]) == {score}
