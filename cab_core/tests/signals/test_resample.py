from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.bars import Bars
from cab_core.domain.candles import prepare
from cab_core.domain.resample import buckets, resample
from cab_core.domain.timeframes import DAY_MS, TF_MS, TIMEFRAMES


@pytest.mark.parametrize("tf", ["1h", "4h", "1d", "1w"])
def test_buckets_equal_the_reference(
    tf: str, vectors: Callable[[str], Any], candles: Callable[[str], Bars]
) -> None:
    expected = vectors("resample_synth_a.json")[tf]
    found = buckets(candles("ohlcv_15m_synth_a.csv"), "15m", tf)
    assert found.bars.ts_ms.tolist() == [row["open_ts_ms"] for row in expected]
    assert found.children.tolist() == [row["children"] for row in expected]
    assert found.complete.tolist() == [row["complete"] for row in expected]
    for name in ("open", "high", "low", "close"):
        assert getattr(found.bars, name).tolist() == [row[name] for row in expected]
    np.testing.assert_allclose(found.bars.volume, [row["volume"] for row in expected], rtol=1e-12)


def walk(n: int, first_ms: int, tf_ms: int) -> Bars:
    close = 100 + np.sin(np.arange(n))
    open_ = np.concatenate(([100.0], close[:-1]))
    ts_ms = first_ms + np.arange(n) * tf_ms
    return Bars.of(
        ts_ms, open_, np.maximum(open_, close) + 1, np.minimum(open_, close) - 1, close, np.ones(n)
    )


@pytest.mark.catalogue(69)
def test_weeks_start_on_monday_and_equal_those_built_from_days() -> None:
    monday = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000)
    quarters = walk(96 * 21, monday - 3 * DAY_MS, TF_MS)
    weeks = resample(resample(quarters, "15m", "1d"), "1d", "1w")
    assert weeks.ts_ms.tolist() == [monday, monday + 7 * DAY_MS]
    direct = resample(quarters, "15m", "1w")
    assert np.array_equal(weeks.high, direct.high)
    assert np.array_equal(weeks.close, direct.close)


@given(st.sets(st.integers(0, 95), max_size=12))
def test_a_bucket_with_a_missing_or_filled_child_is_never_used(missing: set[int]) -> None:
    bars = walk(96, 20_000 * DAY_MS, TF_MS)
    present = np.array([row not in missing for row in range(96)])
    holed = bars.take(present)
    whole_hours = [hour for hour in range(24) if not missing & set(range(4 * hour, 4 * hour + 4))]
    expected = [20_000 * DAY_MS + hour * 3_600_000 for hour in whole_hours]
    assert resample(holed, "15m", "1h").ts_ms.tolist() == expected
    assert resample(prepare(holed).bars, "15m", "1h").ts_ms.tolist() == expected


def test_a_timeframe_that_is_no_multiple_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot build 5m candles from 15m"):
        resample(walk(4, 0, TF_MS), "15m", "5m")


def test_nothing_comes_of_nothing() -> None:
    assert len(resample(walk(0, 0, TF_MS), "15m", "1h")) == 0


def test_the_same_timeframe_is_the_identity() -> None:
    bars = walk(10, 0, TF_MS)
    assert resample(bars, "15m", "15m").close.tolist() == bars.close.tolist()
    assert TIMEFRAMES["15m"] == TF_MS
