"""The callers of rules, macro sources and notifiers: hook, check and budget of each kind put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any

import attrs

from cab_core.contracts import AlertHttp
from cab_core.domain.alerts import Alert
from cab_core.domain.regime import Reading
from cab_core.domain.risk import ALLOW, BookView, Entry, Judgment, RuleFailed, Verdict, VerdictKind
from cab_core.plugins.answers import check_nothing, check_reading, check_verdict
from cab_core.plugins.bound import Bound
from cab_core.plugins.failures import Failure
from cab_core.plugins.guard import HangGuard, PluginTimeout
from cab_core.plugins.isolation import Caller, Outcome, attempt_within, call_each, error_reason, told
from cab_core.plugins.kinds import Kind
from cab_core.plugins.policy import POLICIES


class RiskPanel:
    """All risk rules, each asked every time.

    An outcome with an error means that the entry is blocked (``risk_error``). A quarantined rule is not asked
    any more and every entry stays blocked; it never turns into an allow.

    A panel can be entered like a context: a shell that asks thousands of times arms the alarm once for all
    of them, which costs as much as asking six rules.
    """

    def __init__(self, rules: Sequence[Bound], *, budget_s: float = POLICIES[Kind.RISK].budget_s) -> None:
        self._guard = HangGuard()
        self._budget_s = budget_s
        self.callers: tuple[Caller[Verdict], ...] = tuple(
            Caller(rule.id, rule.call, check_verdict, budget_s, self._guard) for rule in rules
        )
        self._critical = tuple((rule.name, rule.call) for rule in rules if rule.critical)
        self._named = tuple((rule.name, caller) for rule, caller in zip(rules, self.callers, strict=True))

    def __enter__(self) -> RiskPanel:
        self._guard.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._guard.__exit__(kind, error, trace)

    def __call__(self, entry: Entry, book: BookView) -> list[tuple[str, Judgment]]:
        """Ask all rules about one entry: name and judgment of each, in their order."""
        judged: list[tuple[str, Judgment]] = []
        with self._guard:
            answers, raised = self._ask_together(entry, book)
            for place, (name, caller) in enumerate(self._named):
                if place < len(answers):
                    if answers[place] is ALLOW:  # nearly every answer
                        caller.strikes.good()
                        judged.append((name, ALLOW))
                        continue
                    verdict, error = caller.judged(answers[place], None)
                elif place == len(answers) and raised is not None:
                    verdict, error = caller.judged(None, raised)
                else:
                    verdict, error = caller.answer(entry, book)
                judged.append((name, _failed(error) if verdict is None else verdict))
        return judged

    def watch(self, entry: Entry, book: BookView) -> list[tuple[str, Judgment]]:
        """Return what the critical rules halt for as the account stands; an error here blocks nothing."""

        def ask() -> list[object]:
            return [call(entry, book) for _, call in self._critical]

        with self._guard:
            answers, error, _ = attempt_within(self._guard, self._budget_s, ask)
            if answers is None or error is not None:  # one of them errs or is slow: the others count
                alone = [partial(call, entry, book) for _, call in self._critical]
                answers = [attempt_within(self._guard, self._budget_s, call)[0] for call in alone]
        return [
            (name, answer)
            for (name, _), answer in zip(self._critical, answers, strict=True)
            if isinstance(answer, Verdict) and answer.kind is VerdictKind.HALT
        ]

    def _ask_together(self, entry: Entry, book: BookView) -> tuple[list[object], BaseException | None]:
        """Ask the rules under one deadline, as far as the first that raises or is in quarantine.

        Timing each of them costs more than asking them.

        Returns the answers so far and what was raised. Nothing at all if it took longer than one rule may:
        then they are asked one by one, to find out which of them is slow.
        """
        answers: list[object] = []

        def ask() -> None:
            for caller in self.callers:
                if caller.strikes.quarantined:
                    return
                answers.append(caller.call(entry, book))

        _, error, _ = attempt_within(self._guard, self._budget_s, ask)
        return ([], None) if isinstance(error, PluginTimeout) else (answers, error)

    def failures(self) -> list[Failure]:
        """Return what became of each rule so far."""
        return [caller.strikes.failure(caller.id) for caller in self.callers]

    def check(self, entry: Entry, book: BookView) -> list[Outcome[Verdict]]:
        """Ask all rules about one entry, in their order."""
        return call_each(self.callers, entry, book)


def _failed(error: BaseException | None) -> RuleFailed:
    return RuleFailed("", "") if error is None else RuleFailed(error_reason(error), told(error))


def source_callers(sources: Sequence[Bound]) -> list[Caller[Reading]]:
    """Return the callers of macro sources; use ``await caller.wait(http)``."""
    guard, budget_s = HangGuard(), POLICIES[Kind.MACRO].budget_s
    return [Caller(source.id, source.call, check_reading, budget_s, guard) for source in sources]


def notifier_callers(
    notifiers: Sequence[Bound], https: Mapping[str, AlertHttp] | None = None, account: str = ""
) -> list[Caller[None]]:
    """Return the callers of notifiers; use ``await caller.wait(alert)``.

    Args:
        notifiers: the plugins.
        https: clients of those that have an address, by name.
        account: what every message begins with, so that several bots can tell one chat; empty: nothing.
    """
    guard, budget_s, clients = HangGuard(), POLICIES[Kind.NOTIFIER].budget_s, https or {}
    return [
        Caller(bound.id, _tell(bound, clients.get(bound.name), account), check_nothing, budget_s, guard)
        for bound in notifiers
    ]


def _tell(notifier: Bound, http: AlertHttp | None, account: str) -> Callable[[Alert], Any]:
    begin = f"{account}: " if account else ""
    return lambda alert: notifier.call(attrs.evolve(alert, text=begin + alert.text), http)
