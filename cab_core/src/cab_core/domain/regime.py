"""Market regime: what macro sources remember in, a four-level state with hysteresis out (spec 7)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any

import attrs

from cab_core.domain.macro import Reading, ReadingKind, SourceMemory, remember
from cab_core.domain.timeframes import HOUR_MS, utc_day

__all__ = [
    "Reading",
    "ReadingKind",
    "Regime",
    "RegimeSettings",
    "RegimeState",
    "SourceMemory",
    "evaluate",
    "hysteresis_step",
    "index_penalty",
    "raw_state",
    "remember",
    "score",
]

#: Score taken off when an index rises by exactly its threshold, and the most thresholds that count.
INDEX_PENALTY = 0.6
MAX_THRESHOLDS = 2.5
EVENT_PENALTY = 1.0
STALE_PENALTY = 0.25


class Regime(StrEnum):
    """How much risk the wider market allows, from most to least."""

    RISK_ON = "risk_on"
    RISK_SMALL = "risk_small"
    NEUTRAL = "neutral"
    RISK_OFF = "risk_off"

    @property
    def severity(self) -> int:
        """0 for the least restrictive state, 3 for the most."""
        return _SEVERITY[self]

    @property
    def multiplier(self) -> Decimal:
        """What the size of an entry is multiplied by."""
        return _MULTIPLIER[self]

    @property
    def entries_allowed(self) -> bool:
        """Whether new positions may be opened; exits always may."""
        return self in (Regime.RISK_ON, Regime.RISK_SMALL)


_SEVERITY = {state: rank for rank, state in enumerate(Regime)}
_MULTIPLIER = {
    Regime.RISK_ON: Decimal(1),
    Regime.RISK_SMALL: Decimal("0.5"),
    Regime.NEUTRAL: Decimal(0),
    Regime.RISK_OFF: Decimal(0),
}


@attrs.frozen(slots=True, kw_only=True)
class RegimeSettings:
    """Thresholds of the macro filter.

    Attributes:
        dxy_change_pct: daily rise of the dollar index that costs 0.6 of the score, percent.
        btc_dom_change_pct: likewise for bitcoin's dominance, relative percent.
        fomc_block_hours: hours before and after an event that count as event time, inclusive.
        hysteresis: score to spare before the state eases.
        max_age_sec: a source silent for longer is stale.
        interval_sec: seconds between two polls.
        enabled: False acts as if no source were configured.
        thresholds: percent per further index source; without one its rise costs nothing.
    """

    dxy_change_pct: float = 0.35
    btc_dom_change_pct: float = 0.60
    fomc_block_hours: float = 8.0
    hysteresis: float = 0.05
    max_age_sec: int = 21_600
    interval_sec: int = 300
    enabled: bool = True
    thresholds: Mapping[str, float] = attrs.field(factory=dict)

    def threshold_of(self, source: str) -> float | None:
        """Return the rise in percent that costs 0.6 of the score, None if the source is only watched."""
        own = {"dxy": self.dxy_change_pct, "btc_dominance": self.btc_dom_change_pct}
        return own.get(source, self.thresholds.get(source))


@attrs.frozen(slots=True)
class RegimeState:
    """The regime at an instant.

    Attributes:
        parts: what each configured source takes off the score, >= 0.
        source: ``macro``, ``unconfigured`` or ``disabled``.
        since_ms: when the state was entered. ``updated_ms``: when it was last evaluated.
        stale: sources that were silent for too long or never answered.
        warming: sources that report a level whose change cannot be told yet.
    """

    state: Regime
    score: float
    parts: Mapping[str, float]
    source: str
    since_ms: int
    updated_ms: int
    stale: tuple[str, ...] = ()
    warming: tuple[str, ...] = ()

    def at(self, now_ms: int) -> RegimeState:
        """Return the same state, last evaluated at ``now_ms``."""
        return RegimeState(
            self.state,
            self.score,
            self.parts,
            self.source,
            self.since_ms,
            now_ms,
            self.stale,
            self.warming,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the state as a JSON object."""
        return attrs.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RegimeState:
        """Rebuild a state from `to_json`."""
        fields = dict(data)
        fields["state"] = Regime(fields["state"])
        fields["stale"], fields["warming"] = tuple(fields["stale"]), tuple(fields["warming"])
        return cls(**fields)


def index_penalty(change_pct: float, threshold_pct: float) -> float:
    """Return what a rise takes off the score: 0.6 per threshold, at most 1.5; a fall gives no bonus."""
    return INDEX_PENALTY * min(max(change_pct / threshold_pct, 0.0), MAX_THRESHOLDS)


def is_event_time(reading: Reading, now_ms: int, block_hours: float) -> bool:
    """Say whether an event lies within ``block_hours`` of now, inclusive, or the whole day is one."""
    block_ms = block_hours * HOUR_MS
    if any(abs(now_ms - event_ms) <= block_ms for event_ms in reading.events_ms):
        return True
    return reading.event_day_ms is not None and utc_day(reading.event_day_ms) == utc_day(now_ms)


def score(penalties: Iterable[float]) -> float:
    """Return ``1 - sum(penalties)``, held within [-1, 1] and rounded to 9 decimals."""
    return round(min(max(1.0 - math.fsum(penalties), -1.0), 1.0), 9)


def raw_state(score: float) -> Regime:
    """Return the state of a score, without regard to the state before."""
    if score > 0.5:
        return Regime.RISK_ON
    if score > 0.0:
        return Regime.RISK_SMALL
    return Regime.NEUTRAL if score >= -0.5 else Regime.RISK_OFF


def hysteresis_step(prev: Regime | None, score: float, hysteresis: float) -> Regime:
    """Return the next state: tightening is immediate, easing needs ``hysteresis`` of score to spare."""
    raw = raw_state(score)
    if prev is None or raw.severity >= prev.severity:
        return raw
    damped = raw_state(round(score - hysteresis, 9))
    return damped if damped.severity < prev.severity else prev


def evaluate(
    sources: Mapping[str, SourceMemory | None],
    prev: RegimeState | None,
    now_ms: int,
    settings: RegimeSettings,
) -> RegimeState:
    """Evaluate the regime.

    A stale index source costs its last figure, and at least 0.25: silence must not ease the regime. A stale
    calendar costs 0.25 on top, since known events do not go away with it. Index sources beyond ours cost
    nothing unless a threshold is set for them; every source of events blocks its window.

    Args:
        sources: the configured sources; None for one that never answered.
        prev: the state before, None at the very first evaluation.
        now_ms: time of the evaluation.
        settings: thresholds.
    """
    if not settings.enabled or not sources:
        source = "unconfigured" if settings.enabled else "disabled"
        return _entered(prev, RegimeState(Regime.RISK_ON, 1.0, {}, source, now_ms, now_ms))
    max_age_ms = settings.max_age_sec * 1000
    stale = tuple(
        name for name, memory in sources.items() if memory is None or memory.is_stale(now_ms, max_age_ms)
    )
    warming = tuple(
        name
        for name, memory in sources.items()
        if memory is not None and name not in stale and _warming(memory)
    )
    parts = {
        name: _penalty(name, memory, now_ms, settings, is_stale=name in stale)
        for name, memory in sources.items()
    }
    total = score(parts.values())
    state = hysteresis_step(prev.state if prev is not None else None, total, settings.hysteresis)
    return _entered(prev, RegimeState(state, total, parts, "macro", now_ms, now_ms, stale, warming))


def _warming(memory: SourceMemory) -> bool:
    return memory.reading.kind is ReadingKind.VALUE and memory.change_pct() is None


def _penalty(
    name: str, memory: SourceMemory | None, now_ms: int, settings: RegimeSettings, *, is_stale: bool
) -> float:
    silence = STALE_PENALTY if is_stale else 0.0
    if memory is None:
        return silence
    if memory.reading.kind is ReadingKind.EVENTS:
        blocked = is_event_time(memory.reading, now_ms, settings.fomc_block_hours)
        return silence + (EVENT_PENALTY if blocked else 0.0)
    threshold, change = settings.threshold_of(name), memory.change_pct()
    if threshold is None or change is None:
        return silence
    return max(silence, index_penalty(change, threshold))


def _entered(prev: RegimeState | None, state: RegimeState) -> RegimeState:
    """Keep the instant at which an unchanged state was entered."""
    if prev is None or prev.state is not state.state:
        return state
    return attrs.evolve(state, since_ms=prev.since_ms)
