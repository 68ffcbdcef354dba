"""Readings of macro sources, and what the kernel remembers of each source (spec 7.1)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import attrs

from cab_core.domain.timeframes import DAY_MS, HOUR_MS

#: A level's change is measured against an observation at least a day and at most four days older.
CHANGE_MIN_AGE_MS = DAY_MS
CHANGE_MAX_AGE_MS = 96 * HOUR_MS


class ReadingKind(StrEnum):
    """What a macro source reports."""

    CHANGE = "change"
    VALUE = "value"
    EVENTS = "events"


@attrs.frozen(slots=True)
class Reading:
    """One successful answer of a macro source.

    Attributes:
        kind: ``change`` in percent over about 24 h, ``value`` (an index level whose change the kernel derives
            from stored observations), or ``events``.
        value: the change in percent or the level (> 0); None for events.
        events_ms: instants of events (epoch milliseconds); ``event_day_ms`` is the UTC day that counts as
            event time as a whole, None if there is none.
        observed_ms: the payload's own time, None if it has none (then the fetch time counts).
        event_today: the UTC day of the fetch counts as event time as a whole.

    Raises:
        ValueError: the value is missing, not finite, or a level that is not positive.
    """

    kind: ReadingKind
    value: float | None = None
    events_ms: tuple[int, ...] = ()
    event_day_ms: int | None = None
    observed_ms: int | None = None
    event_today: bool = False

    def __attrs_post_init__(self) -> None:
        if self.kind is ReadingKind.EVENTS:
            return
        if self.value is None or not math.isfinite(self.value):
            raise ValueError(f"a reading of kind {self.kind} needs a finite value, not {self.value!r}")
        if self.kind is ReadingKind.VALUE and self.value <= 0:
            raise ValueError(f"an index level must be positive, not {self.value!r}")

    def to_json(self) -> dict[str, Any]:
        """Return the reading as a JSON object."""
        return attrs.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Reading:
        """Rebuild a reading from `to_json`."""
        fields = dict(data)
        fields["kind"] = ReadingKind(fields["kind"])
        fields["events_ms"] = tuple(fields["events_ms"])
        return cls(**fields)


@attrs.frozen(slots=True)
class SourceMemory:
    """What is remembered of one source.

    Attributes:
        reading: the last successful answer.
        fetched_ms: when it was fetched.
        observations: (time, level) pairs of kind ``value``, oldest first, as far back as they
            can still matter.
    """

    reading: Reading
    fetched_ms: int
    observations: tuple[tuple[int, float], ...] = ()

    def change_pct(self) -> float | None:
        """Return the change in percent over about a day, None while warming or for events."""
        if self.reading.kind is ReadingKind.CHANGE:
            return self.reading.value
        if self.reading.kind is ReadingKind.EVENTS or not self.observations:
            return None
        newest_ms, newest = self.observations[-1]
        base = _base(self.observations, newest_ms)
        if base is None or newest_ms - base[0] > CHANGE_MAX_AGE_MS:
            return None
        return 100.0 * (newest / base[1] - 1.0)

    def is_stale(self, now_ms: int, max_age_ms: int) -> bool:
        """Say whether the source has been silent for too long, or repeats an old figure."""
        observed_ms = self.reading.observed_ms
        repeats = observed_ms is not None and now_ms - observed_ms > CHANGE_MAX_AGE_MS
        return repeats or now_ms - self.fetched_ms > max_age_ms

    def to_json(self) -> dict[str, Any]:
        """Return the memory as a JSON object."""
        return {
            "reading": self.reading.to_json(),
            "fetched_ms": self.fetched_ms,
            "observations": [list(pair) for pair in self.observations],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SourceMemory:
        """Rebuild a memory from `to_json`."""
        observations = tuple((int(ts), float(level)) for ts, level in data["observations"])
        return cls(Reading.from_json(data["reading"]), int(data["fetched_ms"]), observations)


def remember(memory: SourceMemory | None, reading: Reading, now_ms: int) -> SourceMemory:
    """Return the memory after one more answer.

    Args:
        memory: what was remembered before, None at the first answer.
        reading: the answer; a payload's own time in the future counts as ``now_ms``.
        now_ms: when it was fetched.
    """
    seen = memory.observations if memory is not None else ()
    if reading.event_today:
        reading = attrs.evolve(reading, event_day_ms=now_ms // DAY_MS * DAY_MS)
    if reading.kind is ReadingKind.VALUE and reading.value is not None:
        at_ms = now_ms if reading.observed_ms is None else min(reading.observed_ms, now_ms)
        seen = _observe(seen, at_ms, reading.value)
    return SourceMemory(reading, now_ms, seen)


def _observe(seen: tuple[tuple[int, float], ...], at_ms: int, level: float) -> tuple[tuple[int, float], ...]:
    """Add an observation (one per instant) and drop those that no later change can be measured against."""
    merged = tuple(sorted({**dict(seen), at_ms: level}.items()))
    base = _base(merged, merged[-1][0])
    return merged if base is None else merged[merged.index(base) :]


def _base(observations: tuple[tuple[int, float], ...], newest_ms: int) -> tuple[int, float] | None:
    """Return the latest observation at least a day older than ``newest_ms``."""
    for pair in reversed(observations):
        if newest_ms - pair[0] >= CHANGE_MIN_AGE_MS:
            return pair
    return None
