"""What the venue refused, and what follows from it."""

from __future__ import annotations

import attrs

from cab_core.cycle.pauses import Pauses
from cab_core.cycle.standing import Standing
from cab_core.domain.orders import Intent, Rejected, Side

#: Refusals that say that the venue's rules are no longer what they were.
_RULES = frozenset({"bad_precision", "below_min_notional", "not_tradable"})

#: After this long an account that was refused is tried again with the next entry.
REFUSED_PAUSE_MS = 20 * 60_000

#: A person is told of an exit that is not made so often.
TOLD_MS = 60_000


@attrs.define(eq=False)
class Refusals:
    """Remembers what was refused until something is done about it.

    Attributes:
        stale_rules: the venue refused an order's precision or size: its rules have to be read again.
        pauses: how long refused exits wait.
    """

    stale_rules: bool = attrs.field(default=False, init=False)
    pauses: Pauses = attrs.field(factory=Pauses, init=False)
    _told_ms: dict[str, int] = attrs.field(factory=dict, init=False)
    _account: str | None = attrs.field(default=None, init=False)
    _account_ms: int = attrs.field(default=0, init=False)

    def account(self, now_ms: int) -> str | None:
        """Return why the venue takes no orders of this account at all, None if it does."""
        if now_ms - self._account_ms >= REFUSED_PAUSE_MS:
            self._account = None
        return self._account

    def accepted(self, intent: Intent) -> None:
        """Take note that the venue took an order."""
        self._account = None
        self.pauses.forget(intent.key)

    def untold(self, symbol: str, now_ms: int) -> bool:
        """Say whether a person is to be told that an exit is not made: once a minute and symbol."""
        if now_ms - self._told_ms.get(symbol, now_ms - TOLD_MS) < TOLD_MS:
            return False
        self._told_ms[symbol] = now_ms
        return True

    def note(self, standing: Standing, outcome: Rejected, now_ms: int) -> str | None:
        """Take note of a refusal; return what a person must be told of it, if anything."""
        intent = standing.intent
        if intent.side is Side.SELL:
            self.pauses.begin(intent.key, now_ms)
        if outcome.reason in _RULES:
            self.stale_rules = True
        if outcome.reason != "credentials" or self._account is not None:
            return None
        self._account, self._account_ms = f"{outcome.reason}: {outcome.message}", now_ms
        return f"the venue takes no orders of this account, exits are impossible: {self._account}"
