"""Scripted macro readings, for replay and demo: the same functions as live, without a network."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

import attrs

from cab_core.domain.macro import CHANGE_MAX_AGE_MS, Reading, SourceMemory, remember
from cab_core.domain.regime import RegimeSettings, RegimeState, evaluate
from cab_core.domain.timeframes import DAY_MS, HOUR_MS


@attrs.frozen(slots=True)
class ScriptedReading:
    """What a source answers from ``ts_ms`` on, until its next scripted reading."""

    ts_ms: int
    source: str
    reading: Reading


def _sorted(readings: Iterable[ScriptedReading]) -> tuple[ScriptedReading, ...]:
    return tuple(sorted(readings, key=lambda scripted: (scripted.ts_ms, scripted.source)))


@attrs.frozen(slots=True)
class RegimeTimeline:
    """A script of macro readings. Every source it names counts as configured from the start."""

    readings: tuple[ScriptedReading, ...] = attrs.field(default=(), converter=_sorted)

    def cursor(self, settings: RegimeSettings, prev: RegimeState | None = None) -> RegimeCursor:
        """Evaluate the script once and return a cursor over its states."""
        return RegimeCursor(self, settings, prev)

    def breakpoints(self, settings: RegimeSettings) -> list[int]:
        """Return every instant at which the state may change, sorted.

        These are the readings, the edges of event windows and days, and the ends of old figures.
        """
        instants: set[int] = set()
        block_ms = int(settings.fomc_block_hours * HOUR_MS)
        for scripted in self.readings:
            instants.add(scripted.ts_ms)
            instants.update(_later_changes(scripted, block_ms))
        return sorted(instants)


def _later_changes(scripted: ScriptedReading, block_ms: int) -> Iterator[int]:
    reading = scripted.reading
    for event_ms in reading.events_ms:
        yield from (event_ms - block_ms, event_ms + block_ms + 1)
    day_ms = scripted.ts_ms if reading.event_today else reading.event_day_ms
    if day_ms is not None:
        midnight = day_ms // DAY_MS * DAY_MS
        yield from (midnight, midnight + DAY_MS)
    if reading.observed_ms is not None:
        yield reading.observed_ms + CHANGE_MAX_AGE_MS + 1


class RegimeCursor:
    """The regime along a timeline; an answer depends only on the time asked for, not on earlier questions."""

    def __init__(self, timeline: RegimeTimeline, settings: RegimeSettings, prev: RegimeState | None) -> None:
        self._starts: list[int] = []
        self._states: list[RegimeState] = []
        sources: dict[str, SourceMemory | None] = {scripted.source: None for scripted in timeline.readings}
        self._before = evaluate(sources, prev, 0, settings)
        state, position = prev, 0
        for now_ms in timeline.breakpoints(settings):
            for name, memory in sources.items():  # a script answers at every poll
                sources[name] = None if memory is None else attrs.evolve(memory, fetched_ms=now_ms)
            while position < len(timeline.readings) and timeline.readings[position].ts_ms <= now_ms:
                scripted = timeline.readings[position]
                sources[scripted.source] = remember(
                    sources[scripted.source], scripted.reading, scripted.ts_ms
                )
                position += 1
            state = evaluate(sources, state, now_ms, settings)
            self._starts.append(now_ms)
            self._states.append(state)

    def advance(self, now_ms: int) -> RegimeState:
        """Return the regime at ``now_ms``."""
        index = bisect_right(self._starts, now_ms) - 1
        state = self._before if index < 0 else self._states[index]
        return state.at(now_ms)
