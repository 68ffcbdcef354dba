"""A right has a life: who holds a connection open is asked again whether he still may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs

#: Seconds for which an answer counts: so late is a revoked token heard of at the latest.
LEASE_S = 15.0


@attrs.define(eq=False)
class Lease:
    """The right of a listener to go on listening.

    Args:
        holder: whose right it is; all connections of one holder share what he may hold.
        still: asks whether the credentials it began with still stand.
        now_s: monotonic seconds.
    """

    holder: str
    _still: Callable[[], Awaitable[bool]]
    _now_s: Callable[[], float]
    _until_s: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Begin: the request itself has just been let in."""
        self._until_s = self._now_s() + LEASE_S

    @property
    def left_s(self) -> float:
        """Seconds until it is asked again."""
        return max(0.0, self._until_s - self._now_s())

    def shake(self) -> None:
        """Ask again at the next look: somebody has lost his right, it may be this one."""
        self._until_s = self._now_s()

    async def holds(self) -> bool:
        """Say whether the right stands, asking anew where the last answer is too old."""
        if self.left_s > 0:
            return True
        self._until_s = self._now_s() + LEASE_S
        return await self._still()
