"""Market regime: readings of macro sources in, a four-level state with hysteresis out (spec 7)."""

from __future__ import annotations

from enum import StrEnum

import attrs


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
        value: the change in percent or the level; None for events.
        events_ms: instants of events (epoch milliseconds); ``event_day_ms`` is the UTC day that counts as
            event time as a whole, None if there is none.
        observed_ms: the payload's own time, None if it has none (then the fetch time counts).
    """

    kind: ReadingKind
    value: float | None = None
    events_ms: tuple[int, ...] = ()
    event_day_ms: int | None = None
    observed_ms: int | None = None
