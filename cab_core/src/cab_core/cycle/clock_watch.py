"""Watches the wall clock: skew to the exchange stops entries, a jump asks for reconciling first."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from math import inf

import attrs

from cab_core.clock import Clock
from cab_core.domain.skew import STALL_MS, ClockLevel, Instant, Offset
from cab_core.errors import CabError
from cab_core.ports import EventBus, Ids

log = logging.getLogger("cab.clock")


def _ignore(old: ClockLevel, new: ClockLevel, offset_ms: float) -> None:
    del old, new, offset_ms


async def _nothing(jump_ms: float) -> None:
    del jump_ms


@attrs.define(eq=False)
class ClockWatch:
    """Compares clocks; let `run` be a background loop, and ask `entries_allowed` before each entry.

    Attributes:
        clock: the injected clock.
        server_time_ms: asks the exchange for its time; raises `CabError` if it does not answer.
        on_jump: awaited after a jump of so many milliseconds, to reconcile. Entries wait until it returned;
            if it raises a `CabError` it is awaited again at the next look.
        on_change: told old level, new level and the offset in milliseconds, positive if this clock is ahead.
        interval_s: time between two looks at the clocks here.
        ask_s: time between two questions to the exchange; after a jump it is asked at once.
    """

    clock: Clock
    server_time_ms: Callable[[], Awaitable[int]]
    on_jump: Callable[[float], Awaitable[None]] = _nothing
    on_change: Callable[[ClockLevel, ClockLevel, float], None] = _ignore
    interval_s: float = 10.0
    ask_s: float = 60.0
    level: ClockLevel = attrs.field(default=ClockLevel.OK, init=False)
    _last: Instant = attrs.field(init=False)
    _offset: Offset = attrs.field(init=False)
    _ask_at_ms: float = attrs.field(default=0.0, init=False)
    _jumps: int = attrs.field(default=0, init=False)
    _jump_ms: float = attrs.field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self._last = self._now()
        self._offset = Offset(self._last)
        self._ask_at_ms = self._last.monotonic_ms

    def entries_allowed(self) -> str | None:
        """Return why entries must wait: ``clock_jumped``, ``clock_skew``, or None.

        It looks at the clocks itself, so nothing is decided between a resume and the next look.
        """
        self._observe()
        if self._jumps:
            return "clock_jumped"
        return "clock_skew" if self._offset.level(self._last) is ClockLevel.OFF else None

    async def run(self) -> None:
        """Look at every interval until cancelled."""
        while True:
            await self.look()
            self._observe()
            await self.clock.sleep_until(self.clock.now_ms() + round(1000 * self.interval_s))

    async def look(self) -> None:
        """Compare the clocks once, ask the exchange if that is due, and reconcile if there was a jump."""
        self._observe()
        if self._last.monotonic_ms >= self._ask_at_ms:
            await self._ask()
        self._judge()
        if self._jumps:
            await self._recover()

    def _now(self) -> Instant:
        return Instant(self.clock.now_ms(), 1000 * self.clock.monotonic())

    def _observe(self, stall_ms: float = STALL_MS) -> None:
        last, self._last = self._last, self._now()
        jump_ms = last.jump_ms(self._last, stall_ms)
        if jump_ms:
            log.warning("the clock jumped by %.1f s", jump_ms / 1000)
            self._jumps, self._jump_ms = self._jumps + 1, jump_ms
            self._ask_at_ms = self._last.monotonic_ms

    async def _ask(self) -> None:
        asked = self._last
        try:
            server_ms = await self.server_time_ms()
        except CabError as error:
            log.warning("the exchange does not tell the time: %s", error)
            self._observe()
            return
        self._observe()
        if not asked.jump_ms(self._last):
            self._offset = Offset.measured(asked, server_ms, self._last)
            self._ask_at_ms = self._last.monotonic_ms + 1000 * self.ask_s

    def _judge(self) -> None:
        old, self.level = self.level, self._offset.level(self._last)
        if old is not self.level:
            offset_ms = self._offset.estimate_ms(self._last)
            log.warning("clock %s -> %s: %+.1f s to the exchange", old, self.level, offset_ms / 1000)
            self.on_change(old, self.level, offset_ms)

    async def _recover(self) -> None:
        known = self._jumps
        try:
            await self.on_jump(self._jump_ms)
        except CabError as error:
            log.warning("not reconciled after a jump of the clock yet: %s", error)
            return
        self._observe(stall_ms=inf)  # reconciling may take its time
        if self._jumps == known:  # another jump meanwhile asks again
            self._jumps = 0


def announce(bus: EventBus, clock: Clock, ids: Ids) -> Callable[[ClockLevel, ClockLevel, float], None]:
    """Return an ``on_change`` that publishes each change and alerts the operator."""

    def publish(old: ClockLevel, new: ClockLevel, offset_ms: float) -> None:
        trace_id = ids.trace_id()
        payload = {"old": str(old), "new": str(new), "offset_ms": round(offset_ms)}
        bus.publish("clock.changed", payload, trace_id)
        effect = "; entries wait" if new is ClockLevel.OFF else ""
        alert = {
            "severity": "info" if new is ClockLevel.OK else "important",
            "kind": "clock.changed",
            "text": f"the clock is {offset_ms / 1000:+.1f} s off the exchange's{effect}",
            "symbol": "",
            "rule": "",
            "ts_ms": clock.now_ms(),
        }
        bus.publish("alert", alert, trace_id)

    return publish
