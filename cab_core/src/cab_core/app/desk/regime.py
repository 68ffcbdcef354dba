"""The market regime with what each of its sources last said."""

from __future__ import annotations

from collections.abc import Mapping

from cab_core.app.config import regime_settings
from cab_core.app.desk.views import RegimeView, SourceView
from cab_core.app.regime import source_urls
from cab_core.app.times import minute
from cab_core.cycle.regime_watch import RegimeWatch
from cab_core.domain.figures import reading as reading_of
from cab_core.domain.figures import signed_percent
from cab_core.domain.macro import ReadingKind, SourceMemory
from cab_core.domain.regime import RegimeState, evaluate
from cab_core.settings.schema import Settings
from cab_core.storage import Connection, load_regime


def saved_regime(conn: Connection, settings: Settings, now_ms: int) -> RegimeView:
    """Return the regime as it was last evaluated, however long ago."""
    row = load_regime(conn)
    if not source_urls(settings):
        return regime_view(evaluate({}, None, now_ms, regime_settings(settings, ())), {}, settings)
    if row is None:
        return regime_view(None, {}, settings)
    state = row.payload["state"]
    memories = {name: SourceMemory.from_json(each) for name, each in row.payload["sources"].items()}
    return regime_view(None if state is None else RegimeState.from_json(state), memories, settings)


def live_regime(state: RegimeState | None, watch: RegimeWatch | None, settings: Settings) -> RegimeView:
    """Return the regime of a running session; None where it is unknown or too old."""
    return regime_view(state, {} if watch is None else watch.memories, settings)


def regime_view(
    state: RegimeState | None, memories: Mapping[str, SourceMemory], settings: Settings
) -> RegimeView:
    """Return the regime and every source that is configured or counted."""
    parts = {} if state is None else state.parts
    names = dict.fromkeys([*source_urls(settings), *parts, *memories])
    macro = state is None or state.source == "macro"
    return RegimeView(
        state=None if state is None else str(state.state),
        score=None if state is None else state.score,
        multiplier=None if state is None else state.state.multiplier,
        entries_allowed=state is not None and state.state.entries_allowed,
        since_ms=state.since_ms if macro and state is not None else None,
        updated_ms=state.updated_ms if macro and state is not None else None,
        source="macro" if state is None else state.source,
        sources=[_source(name, state, memories.get(name)) for name in names],
    )


def _source(name: str, state: RegimeState | None, memory: SourceMemory | None) -> SourceView:
    stale = memory is None if state is None else name in state.stale
    return SourceView(
        name=name,
        penalty=None if state is None else state.parts.get(name),
        text="no answer yet" if memory is None else _said(memory),
        observed_ms=None if memory is None else memory.reading.observed_ms,
        fetched_ms=None if memory is None else memory.fetched_ms,
        stale=stale,
    )


def _said(memory: SourceMemory) -> str:
    """Return what a source last said, for people."""
    reading, change = memory.reading, memory.change_pct()
    if reading.kind is ReadingKind.EVENTS:
        return _events(reading.events_ms, memory.fetched_ms)
    if change is None:
        return f"{reading_of(reading.value)}, its change is not known yet"
    level = f"{reading_of(reading.value)}, " if reading.kind is ReadingKind.VALUE else ""
    return f"{level}{signed_percent(change)} in a day"


def _events(events_ms: tuple[int, ...], fetched_ms: int) -> str:
    coming = [event for event in sorted(events_ms) if event >= fetched_ms]
    if coming:
        return f"next event {minute(coming[0])} UTC"
    return f"last event {minute(max(events_ms))} UTC" if events_ms else "no event known"
