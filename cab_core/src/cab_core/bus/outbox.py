"""Events that wait to leave the process: bounded, and the daily round is dropped first."""

from __future__ import annotations

from collections import deque

import attrs

#: Topics whose events are dropped before any other: the next one, or the journal, says the same.
ROUTINE = frozenset({"cycle.completed", "market.data.invalid", "protection.changed", "risk.blocked"})


@attrs.frozen(slots=True)
class Event:
    """One event on its way.

    Attributes:
        source: the process that published it, unique to each start.
        seq: its number there: 1, 2, 3 …; the other half of its identity.
        payload: JSON text.
        queued_s: when it was published, monotonic.
    """

    source: str
    seq: int
    topic: str
    payload: str
    trace_id: str
    queued_s: float = 0.0

    @property
    def id(self) -> str:
        """The identity of the event, the same however often it is delivered."""
        return f"{self.source}-{self.seq}"


@attrs.define
class Outbox:
    """Keeps the order of what it keeps.

    Attributes:
        limit: most events waiting.
        dropped: events that had to go.
    """

    limit: int
    dropped: int = attrs.field(default=0, init=False)
    _routine: deque[Event] = attrs.field(factory=deque, init=False)
    _others: deque[Event] = attrs.field(factory=deque, init=False)

    def __len__(self) -> int:
        return len(self._routine) + len(self._others)

    def put(self, event: Event) -> None:
        """Add an event; if there is no room the oldest of the daily round goes, or else the oldest."""
        if len(self) >= self.limit:
            (self._routine or self._others).popleft()
            self.dropped += 1
        (self._routine if event.topic in ROUTINE else self._others).append(event)

    def take(self, most: int) -> list[Event]:
        """Remove and return the oldest events in order."""
        taken: list[Event] = []
        while len(taken) < most and len(self):
            taken.append(self._oldest().popleft())
        return taken

    def oldest_s(self) -> float | None:
        """Return when the oldest event was published, None if there is none."""
        return self._oldest()[0].queued_s if len(self) else None

    def _oldest(self) -> deque[Event]:
        if not self._routine or not self._others:
            return self._routine or self._others
        return min(self._routine, self._others, key=lambda queue: queue[0].seq)
