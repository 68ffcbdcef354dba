"""Candles as drawings: a handful of paths that a template puts into SVG, and columns for the crosshair."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence

import attrs

from cab_core.api.web.scale import TALL, Axis, Tick, time_ticks
from cab_core.app.desk.views import CandlesView, Marker, PriceLine
from cab_core.domain.figures import price, reading
from cab_core.domain.timeframes import TF_MS

#: Width of one candle in units of the drawing, and of its body.
_STEP, _BODY = 10, 7

#: Prefix of the kind of a marker that is a strategy's signal.
SIGNAL = "signal:"

#: Most a level may widen the price axis, as a share of the candles' own range.
_REACH = 0.6


@attrs.frozen(slots=True, kw_only=True)
class Mark:
    """A fill or signal; places in percent."""

    x: float
    y: float
    kind: str
    text: str
    trace_id: str
    ts_ms: int


@attrs.frozen(slots=True, kw_only=True)
class Level:
    """A price line; ``x1``, ``x2`` and ``y`` in percent. ``live`` if it still holds."""

    name: str
    price: str
    x1: float
    x2: float
    y: float
    live: bool


@attrs.frozen(slots=True, kw_only=True)
class CandleChart:
    """Everything the template draws; paths are in a box of ``width`` by 1,000 units.

    Attributes:
        columns: JSON of the candles, for the crosshair.
    """

    width: int
    up_wicks: str
    up_bodies: str
    down_wicks: str
    down_bodies: str
    up_volume: str
    down_volume: str
    prices: Sequence[Tick]
    times: Sequence[Tick]
    fills: Sequence[Mark]
    signals: Sequence[Mark]
    levels: Sequence[Level]
    columns: str


def signal_counts(view: CandlesView) -> Mapping[str, int]:
    """Return how many signals of each strategy lie on the chart, by name."""
    counts: dict[str, int] = {}
    for marker in view.markers:
        if marker.kind.startswith(SIGNAL):
            name = marker.kind.removeprefix(SIGNAL)
            counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))


def candle_chart(view: CandlesView, wanted: Collection[str]) -> CandleChart | None:
    """Return the drawing of a view with the signals of the wanted strategies; None without candles."""
    count = len(view.ts_ms)
    if not count:
        return None
    axis = _axis(view)
    top = _usual(view.volume)
    wicks: dict[bool, list[str]] = {True: [], False: []}
    bodies: dict[bool, list[str]] = {True: [], False: []}
    volume: dict[bool, list[str]] = {True: [], False: []}
    rows = zip(view.open, view.high, view.low, view.close, view.volume, strict=True)
    for place, (begin, high, low, end, traded) in enumerate(rows):
        up, x = end >= begin, place * _STEP
        wicks[up].append(f"M{x + 5} {axis.y(high)}V{axis.y(low)}")
        y, tall = axis.y(max(begin, end)), abs(axis.y(begin) - axis.y(end))
        bodies[up].append(f"M{x + 1} {y}h{_BODY + 1}v{max(2, tall)}h-{_BODY + 1}z")
        if traded:
            bar = max(8, round(TALL * min(traded / top, 1.0)))
            volume[up].append(f"M{x + 1} {TALL}v-{bar}h{_BODY + 1}v{bar}z")
    return CandleChart(
        width=count * _STEP,
        up_wicks="".join(wicks[True]),
        down_wicks="".join(wicks[False]),
        up_bodies="".join(bodies[True]),
        down_bodies="".join(bodies[False]),
        up_volume="".join(volume[True]),
        down_volume="".join(volume[False]),
        prices=axis.ticks(),
        times=time_ticks(view.ts_ms),
        fills=list(_marks(view, axis, {"buy", "sell"})),
        signals=list(_marks(view, axis, {f"{SIGNAL}{name}" for name in wanted})),
        levels=list(_levels(view, axis)),
        columns=_columns(view),
    )


def _axis(view: CandlesView) -> Axis:
    """Return the axis of the candles and of those levels that are not too far off."""
    low, high = min(view.low), max(view.high)
    reach = _REACH * (high - low)
    near = [float(line.price) for line in view.lines if low - reach <= float(line.price) <= high + reach]
    return Axis.around([low, high, *near])


def _usual(volume: Sequence[float]) -> float:
    """Return the volume that fills the pane: a single spike would leave nothing of the others."""
    return sorted(volume)[int(0.98 * (len(volume) - 1))] or max(volume) or 1.0


def _x(view: CandlesView, ts_ms: int) -> float:
    """Return the place of an instant in percent: within the candle that is open then."""
    place = bisect_left(view.ts_ms, ts_ms + 1) - 1
    share = min(max((ts_ms - view.ts_ms[place]) / TF_MS, 0.0), 1.0) if place >= 0 else 0.0
    return round(100 * (max(place, 0) + share) / len(view.ts_ms), 2)


def _marks(view: CandlesView, axis: Axis, kinds: Collection[str]) -> Iterator[Mark]:
    for marker in view.markers:
        if marker.kind in kinds and marker.ts_ms >= view.ts_ms[0]:
            yield _mark(view, axis, marker)


def _mark(view: CandlesView, axis: Axis, marker: Marker) -> Mark:
    side = marker.kind if marker.kind in ("buy", "sell") else marker.text.partition(" ")[0]
    name = marker.kind.removeprefix(SIGNAL) + ": " if marker.kind.startswith(SIGNAL) else ""
    middle = TF_MS // 2 if name else 0
    return Mark(
        x=_x(view, marker.ts_ms + middle),
        y=axis.percent(float(marker.price)),
        kind=side,
        text=f"{name}{marker.text}",
        trace_id=marker.trace_id,
        ts_ms=marker.ts_ms,
    )


def _levels(view: CandlesView, axis: Axis) -> Iterator[Level]:
    for line in view.lines:
        if axis.low <= float(line.price) <= axis.high:
            yield _level(view, axis, line)


def _level(view: CandlesView, axis: Axis, line: PriceLine) -> Level:
    return Level(
        name=line.name,
        price=price(line.price),
        x1=_x(view, line.from_ms),
        x2=100.0 if line.to_ms is None else _x(view, line.to_ms),
        y=axis.percent(float(line.price)),
        live=line.to_ms is None,
    )


def _columns(view: CandlesView) -> str:
    rows = zip(view.open, view.high, view.low, view.close, view.volume, strict=True)
    columns = {
        "symbol": view.symbol,
        "t": [stamp // 1000 for stamp in view.ts_ms],
        "told": [
            f"open {price(o)}   high {price(h)}   low {price(low)}   close {price(c)}   volume {reading(v)}"
            for o, h, low, c, v in rows
        ],
    }
    return json.dumps(columns, separators=(",", ":")).replace("<", "\\u003c")
