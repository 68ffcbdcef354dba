"""Silence for a while: critical alerts come through all the same."""

from __future__ import annotations

import re

import attrs

KEY = "mute_until_s"
#: Longest silence, seconds.
LONGEST_S = 24 * 3600
_TIME = re.compile(r"(\d{1,4})\s*([mhd]?)")
_UNITS = {"": 3600, "m": 60, "h": 3600, "d": 86_400}


@attrs.define
class Mute:
    """Until when all but critical alerts are dropped, in epoch seconds."""

    until_s: float = 0.0

    def holds(self, now_s: float) -> bool:
        """Say whether it is on."""
        return now_s < self.until_s


def seconds_of(text: str) -> int | None:
    """Return the length of ``30m``, ``2h`` or ``1d``, 0 for ``off``, None for what is neither."""
    if text.lower() in ("off", "0"):
        return 0
    found = _TIME.fullmatch(text.strip().lower())
    if found is None:
        return None
    return min(int(found[1]) * _UNITS[found[2]], LONGEST_S)
