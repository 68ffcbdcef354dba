"""When complete listings that miss an order prove that it never came to be."""

from __future__ import annotations

import attrs

#: A scan proves something only if it began this long after the request had expired, on the venue's clock:
#: longer than listings lag.
MARGIN_MS = 120_000

#: Least time between the two scans that prove an absence together.
APART_MS = 5_000


@attrs.define
class Absences:
    """Counts complete scans that missed an order, by client id; times on the venue's clock."""

    margin_ms: int = MARGIN_MS
    _first_ms: dict[str, int] = attrs.field(factory=dict)

    def missed(self, client_id: str, begun_ms: int, expires_ms: int) -> bool:
        """Take in a complete scan, begun at ``begun_ms``; return whether the absence is proven now."""
        if begun_ms <= expires_ms:
            return False
        first_ms = self._first_ms.setdefault(client_id, begun_ms)
        return begun_ms > expires_ms + self.margin_ms and begun_ms - first_ms >= APART_MS
