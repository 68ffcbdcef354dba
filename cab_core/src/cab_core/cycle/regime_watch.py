"""Polls the macro sources and keeps the regime they add up to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from cab_core.clock import Clock
from cab_core.domain.macro import Reading, SourceMemory, remember
from cab_core.domain.regime import RegimeSettings, RegimeState, evaluate
from cab_core.plugins.failures import Failure

#: Asks one source; raises if it has no answer.
ReadSource: TypeAlias = Callable[[], Awaitable[Reading]]


@attrs.frozen(slots=True)
class RegimeSnapshot:
    """The regime as last evaluated, and how many milliseconds ago that was."""

    state: RegimeState
    age_ms: int


def _ignore_change(old: RegimeState, new: RegimeState) -> None:
    del old, new


def _ignore_failure(source: str, error: BaseException) -> None:
    del source, error


async def _ignore_poll(state: RegimeState) -> None:
    del state


@attrs.define(eq=False)
class RegimeWatch:
    """Keeps the regime up to date. It refuses nothing itself: the cycle and the execution ask it.

    Await `poll` once before the first entry, then let `run` go on.

    Attributes:
        sources: how to ask each configured source, by name.
        settings: thresholds and interval.
        clock: the injected clock.
        on_change: called with the old and the new state when the regime changes.
        on_failure: called with a source's name and its error.
        failures: asked what became of the sources so far.
        on_poll: awaited after each evaluation, e.g. to persist `to_json`.
    """

    sources: Mapping[str, ReadSource]
    settings: RegimeSettings
    clock: Clock
    on_change: Callable[[RegimeState, RegimeState], None] = _ignore_change
    on_failure: Callable[[str, BaseException], None] = _ignore_failure
    on_poll: Callable[[RegimeState], Awaitable[None]] = _ignore_poll
    failures: Callable[[], Sequence[Failure]] = tuple
    state: RegimeState | None = attrs.field(default=None, init=False)
    memories: dict[str, SourceMemory] = attrs.field(factory=dict, init=False)

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what `to_json` gave before a restart; sources no longer configured are forgotten."""
        self.state = RegimeState.from_json(saved["state"]) if saved["state"] is not None else None
        self.memories = {
            name: SourceMemory.from_json(memory)
            for name, memory in saved["sources"].items()
            if name in self.sources
        }

    def to_json(self) -> dict[str, Any]:
        """Return everything a restart needs as a JSON object."""
        return {
            "state": None if self.state is None else self.state.to_json(),
            "sources": {name: memory.to_json() for name, memory in self.memories.items()},
        }

    def snapshot(self) -> RegimeSnapshot | None:
        """Return the regime with its age, None before the first evaluation of this and earlier runs."""
        if self.state is None:
            return None
        return RegimeSnapshot(self.state, self.clock.now_ms() - self.state.updated_ms)

    async def poll(self) -> RegimeState:
        """Ask all sources at once and evaluate; one that fails keeps its last reading until stale."""
        readings = await self._read_all() if self.settings.enabled else {}
        now_ms = self.clock.now_ms()
        for name, reading in readings.items():
            self.memories[name] = remember(self.memories.get(name), reading, now_ms)
        known = {name: self.memories.get(name) for name in self.sources}
        old, new = self.state, evaluate(known, self.state, now_ms, self.settings)
        self.state = new
        if old is not None and old.state is not new.state:
            self.on_change(old, new)
        await self.on_poll(new)
        return new

    async def run(self) -> None:
        """Poll at every multiple of the interval until cancelled."""
        interval_ms = self.settings.interval_sec * 1000
        while True:
            await self.clock.sleep_until((self.clock.now_ms() // interval_ms + 1) * interval_ms)
            await self.poll()

    async def _read_all(self) -> dict[str, Reading]:
        answers = await asyncio.gather(*(read() for read in self.sources.values()), return_exceptions=True)
        readings: dict[str, Reading] = {}
        for name, answer in zip(self.sources, answers, strict=True):
            if isinstance(answer, Reading):
                readings[name] = answer
            elif isinstance(answer, BaseException):
                self.on_failure(name, answer)
        return readings
