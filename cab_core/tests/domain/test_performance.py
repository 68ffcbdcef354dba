"""Figures of a curve: by hand, against a second implementation over plain lists, and where undefined."""

from __future__ import annotations

import json
import math
from pathlib import Path
from statistics import mean, stdev

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.drawdowns import Curve, Drawdown, underwater, worst_drawdowns
from cab_core.domain.performance import CurveFigures, curve_figures, daily_returns, monthly_returns

BAR = 900_000
DAY = 86_400_000
NEW_YEAR_2023 = 19_358 * DAY
NUMBERS = [field.name for field in attrs.fields(CurveFigures) if field.name != "drawdowns"]


def curve(points: list[tuple[int, float]], baseline: float = 100.0) -> Curve:
    times = np.array([at for at, _ in points], np.int64)
    return Curve.of(times, np.array([value for _, value in points]), baseline)


def day_ends(*values: float, start: int = NEW_YEAR_2023, baseline: float = 100.0) -> Curve:
    """A curve of which only the first bar and the midnights are known."""
    first = (start + BAR, baseline)
    return curve([first, *((start + DAY * n, value) for n, value in enumerate(values, 1))], baseline)


def test_three_days_by_hand() -> None:
    # Daily returns +10 %, -10 %, +10 %: mean 1/30, sample variance 4/300, mean square of losses 1/300.
    found = curve_figures(day_ends(110.0, 99.0, 108.9))
    assert found.return_pct == pytest.approx(8.9)
    assert found.sharpe == pytest.approx(math.sqrt(365 / 12))
    assert found.sortino == pytest.approx(math.sqrt(365 / 3))
    assert found.volatility_pct == pytest.approx(100 * math.sqrt(365 / 75))
    assert found.max_drawdown_pct == pytest.approx(10.0)


def test_two_years_by_hand() -> None:
    # Doubled in exactly 730 days: sqrt(2) a year; a fall from 160 to 120 is a quarter.
    values = [160.0] * 300 + [120.0] * 100 + [200.0] * 330
    found = curve_figures(day_ends(*values))
    assert found.return_pct == pytest.approx(100.0)
    assert found.cagr_pct == pytest.approx(41.421356, abs=1e-6)
    assert found.max_drawdown_pct == pytest.approx(25.0)
    assert found.calmar == pytest.approx(41.421356 / 25, abs=1e-6)
    assert found.drawdowns == (
        Drawdown(
            25.0, NEW_YEAR_2023 + 300 * DAY, NEW_YEAR_2023 + 301 * DAY, NEW_YEAR_2023 + 401 * DAY, 101 * DAY
        ),
    )


def test_drawdowns_are_ranked_and_the_last_may_be_open() -> None:
    found = worst_drawdowns(day_ends(90.0, 100.0, 80.0, 120.0, 108.0), count=2)
    assert [(fall.depth_pct, fall.recovery_ms) for fall in found] == [
        (pytest.approx(20.0), NEW_YEAR_2023 + 4 * DAY),
        (pytest.approx(10.0), NEW_YEAR_2023 + 2 * DAY),
    ]
    # The first fall begins at the baseline, which was last held at the first close.
    assert found[1].start_ms == NEW_YEAR_2023 + BAR
    open_fall = worst_drawdowns(day_ends(120.0, 108.0, 60.0))[0]
    assert open_fall.recovery_ms is None
    assert open_fall.duration_ms == 2 * DAY


def test_reference_drawdowns_hold() -> None:
    root = next(p for p in Path(__file__).resolve().parents if (p / "requirements-workspace.txt").exists())
    path = root.parent / "shared" / "reference" / "cases_a.json"
    if not path.exists():
        pytest.skip(f"no reference vectors at {path}")
    case = json.loads(path.read_text("utf-8"))["drawdown"]
    expected = case["expected"]
    values = [float(step["equity"]) for step in expected]
    found = underwater(curve([(n * BAR, v) for n, v in enumerate(values, 1)], float(case["baseline"])))
    assert found[1:].tolist() == pytest.approx([float(step["dd_pct"]) for step in expected], abs=1e-12)


def test_months_by_hand() -> None:
    # 31 days of January end at 110, 28 of February at 99, and March has one day.
    found = monthly_returns(day_ends(*[110.0] * 31, *[99.0] * 28, 198.0))
    assert [year.year for year in found] == [2023]
    assert found[0].months[:3] == (pytest.approx(10.0), pytest.approx(-10.0), pytest.approx(100.0))
    assert found[0].months[3:] == (None,) * 9
    assert found[0].total == pytest.approx(98.0)


def test_new_year_splits_the_table() -> None:
    found = monthly_returns(day_ends(110.0, 121.0, start=NEW_YEAR_2023 - DAY))
    assert [(year.year, year.total) for year in found] == [
        (2022, pytest.approx(10.0)),
        (2023, pytest.approx(10.0)),
    ]


@pytest.mark.parametrize(
    ("points", "undefined"),
    [
        ([], set(NUMBERS)),
        ([100.0], {"cagr_pct", "volatility_pct", "sharpe", "sortino", "calmar"}),
        ([100.0, 100.0, 100.0], {"sharpe", "sortino", "calmar"}),
        ([110.0, 121.0, 133.1], {"sharpe", "sortino", "calmar"}),
        ([50.0, 0.0, 0.0], {"sharpe", "sortino", "volatility_pct", "cagr_pct", "calmar"}),
        ([1e300, 1e300, 1e300], {"cagr_pct", "calmar"}),
    ],
    ids=["no close", "one day", "flat", "zero variance", "nothing left", "absurd growth"],
)
def test_what_is_undefined_is_none(points: list[float], undefined: set[str]) -> None:
    found = curve_figures(day_ends(*points) if points else curve([]))
    assert {name for name in undefined if getattr(found, name) is not None} == set()
    numbers = [getattr(found, name) for name in NUMBERS]
    assert all(value is None or math.isfinite(value) for value in numbers)


def test_not_a_number_is_a_defect_not_a_figure() -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        day_ends(100.0, math.nan)


def second_daily_returns(points: list[tuple[int, float]], baseline: float) -> list[float]:
    """Day by day over plain lists: the last close not after the day's end, else the day before."""
    day = (points[0][0] - 1) // DAY
    worth, returns = baseline, []
    while day * DAY < points[-1][0]:
        end = [value for at, value in points if at <= (day + 1) * DAY][-1]
        returns.append(end / worth - 1)
        worth, day = end, day + 1
    return returns


def second_max_drawdown(points: list[tuple[int, float]], baseline: float) -> float:
    peak, deepest = baseline, 0.0
    for _, value in points:
        peak = max(peak, value)
        deepest = max(deepest, (peak - value) / peak * 100)
    return deepest


curves = st.lists(st.tuples(st.integers(1, 200), st.floats(10, 1000)), min_size=2, max_size=60)


@given(curves, st.integers(0, 95))
def test_a_second_implementation_agrees(steps: list[tuple[int, float]], offset: int) -> None:
    at, points = NEW_YEAR_2023 + offset * BAR, []
    for bars, value in steps:
        at += bars * BAR
        points.append((at, value))
    own = curve(points)
    returns = second_daily_returns(points, 100.0)
    assert daily_returns(own) == pytest.approx(np.array(returns), abs=1e-12)
    found = curve_figures(own)
    assert found.max_drawdown_pct == pytest.approx(second_max_drawdown(points, 100.0), abs=1e-9)
    if len(returns) > 1 and max(returns) - min(returns) > 1e-9:
        assert found.sharpe == pytest.approx(mean(returns) / stdev(returns) * 365**0.5, rel=1e-6, abs=1e-9)
        assert found.volatility_pct == pytest.approx(stdev(returns) * 365**0.5 * 100, rel=1e-9)
    losses = math.sqrt(sum(min(r, 0.0) ** 2 for r in returns) / len(returns))
    if len(returns) > 1 and losses > 1e-9:
        assert found.sortino == pytest.approx(mean(returns) / losses * 365**0.5, rel=1e-6, abs=1e-9)
    months = [value for year in monthly_returns(own) for value in year.months if value is not None]
    assert math.prod(1 + value / 100 for value in months) == pytest.approx(points[-1][1] / 100)
