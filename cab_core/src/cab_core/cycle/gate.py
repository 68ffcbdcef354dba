"""The gate in front of every entry: people are told when it shuts, why, and when it opens again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import attrs

from cab_core.clock import Clock
from cab_core.ports import EventBus, Ids

log = logging.getLogger("cab.gate")

#: What the reasons that shut the gate mean, for people.
MEANINGS = {
    "safe_mode": "the bot was started too often without a clean stop",
    "dms_down": "nobody watches over this bot: the dead man's switch is down",
    "instance_unsure": "Redis does not answer: another host might be trading this account",
    "disk_full": "the disk is full",
    "auto_paused": "a check of the watchdog fails",
    "clock_jumped": "the clock jumped, the book is being compared",
    "clock_skew": "the clock is too far off the exchange's",
}

#: Reasons that whoever finds them tells by itself, with what was found.
_TOLD_ELSEWHERE = frozenset({"auto_paused", "clock_skew"})


@attrs.define(eq=False)
class GateTeller:
    """Tells each change of the gate once; let `run` be a background loop.

    Attributes:
        no_entry: says why the gate is shut, None while it is open.
        interval_s: time between two looks.
    """

    no_entry: Callable[[], str | None]
    bus: EventBus
    clock: Clock
    ids: Ids
    interval_s: float
    _last: str | None = attrs.field(default=None, init=False)

    async def run(self) -> None:
        """Look at every interval until cancelled."""
        while True:
            self.look()
            await self.clock.sleep_until(self.clock.now_ms() + round(1000 * self.interval_s))

    def look(self) -> None:
        """Look once."""
        old, self._last = self._last, self.no_entry()
        if old == self._last:
            return
        log.warning("gate of entries: %s -> %s", old or "open", self._last or "open")
        trace_id = self.ids.trace_id()
        self.bus.publish("gate.changed", {"old": old, "new": self._last}, trace_id)
        about = self._last or old
        if about not in _TOLD_ELSEWHERE:
            self.bus.publish("alert", self._alert(about), trace_id)

    def _alert(self, about: str | None) -> dict[str, Any]:
        shut = self._last is not None
        text = f"entries wait, exits go on: {meaning(self._last)}" if shut else "entries go on"
        return {
            "severity": "important" if shut else "info",
            "kind": "gate.changed",
            "text": text,
            "symbol": "",
            "rule": about,
            "ts_ms": self.clock.now_ms(),
        }


def meaning(reason: str | None) -> str:
    """Return a reason that shuts the gate in words, with its name."""
    return f"{MEANINGS.get(reason or '', 'it is shut')} ({reason})"
