"""How far the wall clock may be trusted: against the monotonic one and against the exchange's.

All of it is arithmetic on readings, so a suspended host, a stepped clock and a slow answer are only numbers.
"""

from __future__ import annotations

from enum import StrEnum

import attrs

#: The wall clock may leave the exchange's by so much before people are told, and before entries stop.
WARN_MS = 5_000
BLOCK_MS = 30_000
#: Between two readings the wall clock may leave the monotonic one by so much.
JUMP_MS = 2_000
#: Readings may lie so far apart, monotonic; beyond it the process itself stood still.
STALL_MS = 60_000


class ClockLevel(StrEnum):
    """Whether the wall clock agrees with the exchange's. Only off stops entries."""

    OK = "ok"
    SKEWED = "skewed"
    OFF = "off"


@attrs.frozen(slots=True)
class Instant:
    """Both clocks, read at once."""

    wall_ms: int
    monotonic_ms: float

    def divergence_ms(self, later: Instant) -> float:
        """Return how much further than the monotonic clock the wall clock went until ``later``."""
        return (later.wall_ms - self.wall_ms) - (later.monotonic_ms - self.monotonic_ms)

    def jump_ms(self, later: Instant, stall_ms: float = STALL_MS) -> float:
        """Return the jump between two readings in milliseconds, 0 if there was none.

        A jump is a stepped wall clock, a suspended host (the monotonic clock stands still meanwhile) or, if
        both clocks went on, a process that was stopped.
        """
        divergence = self.divergence_ms(later)
        if abs(divergence) > JUMP_MS:
            return divergence
        passed = later.monotonic_ms - self.monotonic_ms
        return passed if passed > stall_ms else 0.0


@attrs.frozen(slots=True)
class Offset:
    """How far the wall clock was ahead of the exchange's, and when that was found out.

    Attributes:
        doubt_ms: half of the time the exchange took to answer: the true offset may differ by so much.
    """

    at: Instant
    offset_ms: float = 0.0
    doubt_ms: float = 0.0

    @classmethod
    def measured(cls, asked: Instant, server_ms: int, answered: Instant) -> Offset:
        """Return the offset that follows from one answer, as of the middle between question and answer."""
        doubt_ms = (answered.monotonic_ms - asked.monotonic_ms) / 2
        middle_ms = asked.wall_ms + doubt_ms
        ahead_ms = middle_ms - server_ms
        return cls(Instant(round(middle_ms), asked.monotonic_ms + doubt_ms), ahead_ms, doubt_ms)

    def estimate_ms(self, now: Instant) -> float:
        """Return the offset now: as measured, and by how much the wall clock has diverged since."""
        return self.offset_ms + self.at.divergence_ms(now)

    def level(self, now: Instant) -> ClockLevel:
        """Judge the wall clock by what is proven, in favor of the clock."""
        proven_ms = max(0.0, abs(self.estimate_ms(now)) - self.doubt_ms)
        if proven_ms > BLOCK_MS:
            return ClockLevel.OFF
        return ClockLevel.SKEWED if proven_ms > WARN_MS else ClockLevel.OK
