"""Equity and drawdown as drawings."""

from __future__ import annotations

import json
from collections.abc import Sequence

import attrs

from cab_core.api.web.scale import TALL, Axis, Tick, time_ticks
from cab_core.app.desk.views import EquityPointView
from cab_core.domain.figures import money, percent

_WIDTH = 1000


@attrs.frozen(slots=True, kw_only=True)
class Curve:
    """Two drawings above each other, 1,000 by 1,000 units each: the equity, and below it the drawdown."""

    equity: str
    area: str
    baseline: float | None
    fall: str
    values: Sequence[Tick]
    falls: Sequence[Tick]
    times: Sequence[Tick]
    columns: str


def curve(points: Sequence[EquityPointView], baseline: float | None, quote: str) -> Curve | None:
    """Return the drawing of an equity curve; None with fewer than two points."""
    if len(points) < 2:
        return None
    equity = [float(point.equity) for point in points]
    falls = [float(point.drawdown_pct) for point in points]
    shown = [*equity, *([] if baseline is None else [baseline])]
    axis, depth = Axis.around(shown, 0.08), Axis(-max(*falls, 0.5) * 1.1, 0.0)
    line = _line([axis.y(value) for value in equity])
    below = _line([depth.y(-fall) for fall in falls])
    stamps = [point.ts_ms for point in points]
    told = {
        "t": [stamp // 1000 for stamp in stamps],
        "equity": [money(p.equity, quote) for p in points],
        "fall": [percent(p.drawdown_pct) for p in points],
    }
    return Curve(
        equity=f"M{line}",
        area=f"M0 {TALL}L{line}L{_WIDTH} {TALL}z",
        baseline=None if baseline is None else axis.percent(baseline),
        fall=f"M0 0L{below}L{_WIDTH} 0z",
        values=axis.ticks(4),
        falls=depth.ticks(2),
        times=time_ticks(stamps, 5),
        columns=json.dumps(told, separators=(",", ":")),
    )


def _line(heights: Sequence[int]) -> str:
    step = _WIDTH / (len(heights) - 1)
    return "L".join(f"{round(place * step, 1)} {y}" for place, y in enumerate(heights))
