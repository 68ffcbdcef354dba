"""When reports are due: daily at 00:05 UTC, weekly on Monday at 00:10 UTC."""

from __future__ import annotations

from typing import Literal

import attrs

from cab_core.domain.timeframes import DAY_MS, MINUTE_MS, WEEK_MS, floor_ms


@attrs.frozen
class Schedule:
    """A report that comes again and again.

    Attributes:
        period_ms: what it covers, and how often it comes.
        delay_ms: how long after the end of its period it is due.
    """

    name: Literal["daily", "weekly"]
    period_ms: int
    delay_ms: int

    def latest_ms(self, now_ms: int) -> int:
        """Return the end of the newest period whose report is due; weeks end on Monday, 00:00 UTC."""
        return floor_ms(now_ms - self.delay_ms, self.period_ms)

    def missed(self, latest_ms: int, told_ms: int) -> int:
        """Return how many periods between the one last told and the newest one were never reported."""
        return max(0, (latest_ms - told_ms) // self.period_ms - 1)


DAILY = Schedule("daily", DAY_MS, 5 * MINUTE_MS)
WEEKLY = Schedule("weekly", WEEK_MS, 10 * MINUTE_MS)
SCHEDULES = (DAILY, WEEKLY)
