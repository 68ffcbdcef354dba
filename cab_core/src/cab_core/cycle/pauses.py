"""How long refused exits wait before they are sent again: they are never given up."""

from __future__ import annotations

import attrs

#: A refused exit is tried again after this long, doubled each time up to the longest.
EXIT_PAUSE_MS, LONGEST_EXIT_PAUSE_MS = 5_000, 60_000


@attrs.define
class Pauses:
    """The pauses of exits by intent key: when each ends, and how long it is."""

    _ends: dict[str, tuple[int, int]] = attrs.field(factory=dict)

    def begin(self, key: str, now_ms: int) -> None:
        """Let an exit wait, twice as long each time."""
        _, last_ms = self._ends.get(key, (0, 0))
        pause_ms = min(2 * last_ms, LONGEST_EXIT_PAUSE_MS) or EXIT_PAUSE_MS
        self._ends[key] = (now_ms + pause_ms, pause_ms)

    def over(self, key: str, now_ms: int) -> bool:
        """Say whether an exit need not wait, or no longer."""
        return now_ms >= self._ends.get(key, (0, 0))[0]

    def forget(self, key: str) -> None:
        """Take note that an exit was accepted."""
        self._ends.pop(key, None)
