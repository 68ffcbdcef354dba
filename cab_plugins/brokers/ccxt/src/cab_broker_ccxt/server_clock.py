"""The venue's clock as the bot sees it."""

from __future__ import annotations

from cab_core.sdk import Clock

REFRESH_S = 60.0
#: A wall clock that moved this much against the monotonic one was set, or the machine slept.
STEP_MS = 1_000


class ServerClock:
    """Measured offset between the venue's clock and the injected one.

    Attributes:
        offset_ms: venue minus bot, milliseconds. ``known``: it was measured at least once.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset_ms = 0
        self.known = False
        self._at_s = 0.0
        self._drift_ms = 0.0

    def now_ms(self) -> int:
        """Return the venue's time, epoch milliseconds."""
        return self._clock.now_ms() + self.offset_ms

    def to_bot(self, ts_ms: int) -> int:
        """Turn a time of the venue into one of the bot's clock."""
        return ts_ms - self.offset_ms

    def measured(self, server_ms: int, asked_ms: int) -> None:
        """Take a reading: ``server_ms`` is the answer, come now, to a question asked at ``asked_ms``."""
        self.offset_ms = server_ms - (asked_ms + self._clock.now_ms()) // 2
        self.known = True
        self._at_s = self._clock.monotonic()
        self._drift_ms = self._drift()

    def stale(self) -> bool:
        """Say whether it must be measured again: after a minute, or when the wall clock was set."""
        if not self.known or abs(self._drift() - self._drift_ms) > STEP_MS:
            return True
        return self._clock.monotonic() - self._at_s >= REFRESH_S

    def _drift(self) -> float:
        return self._clock.now_ms() - self._clock.monotonic() * 1000
