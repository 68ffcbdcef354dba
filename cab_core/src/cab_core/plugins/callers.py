"""The callers of rules, macro sources and notifiers: hook, check and budget of each kind put together."""

from __future__ import annotations

from collections.abc import Sequence

from cab_core.domain.regime import Reading
from cab_core.domain.risk import BookView, Entry, Verdict
from cab_core.plugins.answers import check_nothing, check_reading, check_verdict
from cab_core.plugins.bound import Bound
from cab_core.plugins.guard import HangGuard
from cab_core.plugins.isolation import Caller, Outcome, call_each
from cab_core.plugins.kinds import Kind
from cab_core.plugins.policy import POLICIES


class RiskPanel:
    """All risk rules, each asked every time.

    An outcome with an error means that the entry is blocked (``risk_error``). A quarantined rule is not asked
    any more and every entry stays blocked; it never turns into an allow.
    """

    def __init__(self, rules: Sequence[Bound], *, budget_s: float = POLICIES[Kind.RISK].budget_s) -> None:
        guard = HangGuard()
        self.callers: tuple[Caller[Verdict], ...] = tuple(
            Caller(rule.id, rule.call, check_verdict, budget_s, guard) for rule in rules
        )

    def check(self, entry: Entry, book: BookView) -> list[Outcome[Verdict]]:
        """Ask all rules about one entry, in their order."""
        return call_each(self.callers, entry, book)


def source_callers(sources: Sequence[Bound]) -> list[Caller[Reading]]:
    """Return the callers of macro sources; use ``await caller.wait(http)``."""
    guard, budget_s = HangGuard(), POLICIES[Kind.MACRO].budget_s
    return [Caller(source.id, source.call, check_reading, budget_s, guard) for source in sources]


def notifier_callers(notifiers: Sequence[Bound]) -> list[Caller[None]]:
    """Return the callers of notifiers; use ``await caller.wait(alert)``."""
    guard, budget_s = HangGuard(), POLICIES[Kind.NOTIFIER].budget_s
    return [Caller(notifier.id, notifier.call, check_nothing, budget_s, guard) for notifier in notifiers]
