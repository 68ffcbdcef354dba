"""Axes of the charts: round numbers for prices, round times for the way along."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil, floor, log10

import attrs

from cab_core.domain.figures import number
from cab_core.domain.timeframes import DAY_MS, HOUR_MS, MINUTE_MS

#: Height of a drawing in its own units; it is stretched to whatever room there is.
TALL = 1000

#: Steps of the time axis, smallest first.
_STEPS_MS = (
    *(minutes * MINUTE_MS for minutes in (15, 30)),
    *(hours * HOUR_MS for hours in (1, 2, 3, 6, 12)),
    *(days * DAY_MS for days in (1, 2, 5, 10, 30, 90, 365)),
)


@attrs.frozen(slots=True)
class Tick:
    """A label on an axis; ``at`` is its place in percent of the axis."""

    at: float
    text: str


@attrs.frozen(slots=True)
class Axis:
    """A vertical axis from ``low`` at the bottom to ``high`` at the top."""

    low: float
    high: float

    @classmethod
    def around(cls, values: Sequence[float], pad: float = 0.06) -> Axis:
        """Return an axis that holds all values with some air above and below."""
        low, high = min(values), max(values)
        room = (high - low) * pad or abs(high) * 0.01 or 1.0
        return cls(low - room, high + room)

    def y(self, value: float) -> int:
        """Return the place of a value, 0 at the top and `TALL` at the bottom."""
        return round(TALL * (self.high - value) / (self.high - self.low))

    def percent(self, value: float) -> float:
        """Return the place of a value in percent from the top, held within the drawing."""
        return round(min(max(self.y(value) / TALL * 100, 0.0), 100.0), 2)

    def ticks(self, about: int = 5) -> list[Tick]:
        """Return about so many labels at round numbers."""
        raw = (self.high - self.low) / about
        power = 10.0 ** floor(log10(raw))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
        digits = max(0, -floor(log10(step) + 1e-9))
        first, last = ceil(self.low / step), floor(self.high / step)
        return [
            Tick(self.percent(each * step), number(each * step, digits)) for each in range(first, last + 1)
        ]


def time_ticks(stamps: Sequence[int], about: int = 6) -> list[Tick]:
    """Return about so many labels for drawings whose points lie at equal distances, whatever the holes."""
    count = len(stamps)
    if count < 2:
        return []
    span = stamps[-1] - stamps[0]
    step = next((step for step in _STEPS_MS if span / step <= about), _STEPS_MS[-1])
    form = "%b %d" if step >= DAY_MS else "%H:%M"
    ticks: list[Tick] = []
    for place in range(1, count):
        mark = stamps[place] // step
        if mark == stamps[place - 1] // step:
            continue
        moment = datetime.fromtimestamp(mark * step / 1000, UTC)
        at = round(100 * (place + 0.5) / count, 2)
        if 4 < at < 96:
            ticks.append(
                Tick(at, f"{moment:%b %d}" if moment.hour == moment.minute == 0 else f"{moment:{form}}")
            )
    return ticks
