"""When failing checks stop entries, and when good ones let them in again (spec 14)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import attrs

#: Rounds with a failing check, one after the other, that stop entries.
BAD_ROUNDS = 2
#: Rounds without one that let them in again.
GOOD_ROUNDS = 3


class Level(StrEnum):
    """How the bot is. Only degraded stops entries; no level closes positions."""

    OK = "ok"
    WARNED = "warned"
    DEGRADED = "degraded"


@attrs.frozen(slots=True)
class Check:
    """What one look at one part found; ``detail`` is for people."""

    ok: bool
    detail: str = ""


@attrs.frozen(slots=True)
class Transition:
    """A change of the level.

    Attributes:
        failing: the checks that failed in the round that caused it, with what they said.
    """

    old: Level
    new: Level
    failing: Mapping[str, str]


@attrs.define
class Watch:
    """Counts rounds of checks.

    Attributes:
        level: as of the last round.
        checks: what the last round found, by name.
    """

    level: Level = attrs.field(default=Level.OK, init=False)
    checks: Mapping[str, Check] = attrs.field(factory=dict, init=False)
    _bad: int = attrs.field(default=0, init=False)
    _good: int = attrs.field(default=0, init=False)

    def take(self, checks: Mapping[str, Check]) -> Transition | None:
        """Take the results of one round; returns the change of the level, None if it stays."""
        self.checks = dict(checks)
        failing = {name: check.detail for name, check in checks.items() if not check.ok}
        self._bad, self._good = (self._bad + 1, 0) if failing else (0, self._good + 1)
        old, self.level = self.level, self._next()
        return None if self.level is old else Transition(old, self.level, failing)

    def _next(self) -> Level:
        if self._bad >= BAD_ROUNDS:
            return Level.DEGRADED
        if self.level is Level.DEGRADED:
            return Level.OK if self._good >= GOOD_ROUNDS else Level.DEGRADED
        return Level.WARNED if self._bad else Level.OK
