"""The conformance suite of risk rules."""

from __future__ import annotations

import inspect
import math
from decimal import getcontext
from typing import Any, ClassVar

import pytest
from hypothesis import given

from cab_core.plugins.kinds import Kind
from cab_core.sdk import BookView, Entry, Verdict, VerdictKind
from cab_core.testing import measure
from cab_core.testing.base import EXAMPLES, SNAKE_CASE, Asking, Conformance, reject, state_text
from cab_core.testing.books import book, entry
from cab_core.testing.ordeal import MISSING, Case, bereft, cases, ordinary_cases
from cab_core.testing.sealed import OutsideWorldError, sealed

CHECK_MS = 1.0
_FULL = (VerdictKind.ALLOW, VerdictKind.NOTE)
_NOTHING = (VerdictKind.DELAY, VerdictKind.HALT)


class RiskRuleConformance(Conformance):
    """Standard checks of a risk rule. Write ``class TestMine(RiskRuleConformance): plugin = Mine``."""

    kind: ClassVar[Kind] = Kind.RISK
    #: ``staticmethod`` from a badness of 0.0 (harmless) to 1.0 (worst) to a situation. Where given, the rule
    #: must allow the full size at 0.0, less or nothing at 1.0, and never more as the badness grows.
    monotone: ClassVar[staticmethod[[float], tuple[Entry, BookView]] | None] = None
    #: Data without which the rule must let nothing through: any of "quote", "spreads", "hourly_returns".
    needs: ClassVar[tuple[str, ...]] = ()

    def exercise(self, plugin: Any) -> None:
        """Judge every ordinary case."""
        for name, case in ordinary_cases():
            with Asking(name):
                self._valid(plugin.check(*case), name)

    def test_verdicts_keep_the_output_contract(self) -> None:
        """A verdict has a kind, a factor that fits it, a reason in snake case and finite figures."""
        self.exercise(self.build())

    def test_never_raises(self) -> None:
        """Whatever the account looks like, the rule answers; an error would block every entry."""
        plugin = self.build()

        @EXAMPLES
        @given(cases())
        def answers(case: Case) -> None:
            self._valid(plugin.check(*case), "a drawn case")

        answers()

    def test_never_enlarges_an_entry(self) -> None:
        """The factor lies between 0 and 1: rules shrink and stop, they never add."""
        for name, case in ordinary_cases():
            factor = self.build().check(*case).factor
            if not 0.0 <= factor <= 1.0:
                reject(f"for {name} the factor is {factor}", "return a factor from 0 to 1")

    def test_missing_data_is_no_permission(self) -> None:
        """Without the data it needs the rule stops the entry; without other data it still answers."""
        plugin = self.build()
        for what in MISSING:
            for name, case in bereft((entry(), book()), what):
                with Asking(name):
                    verdict = plugin.check(*case)
                self._valid(verdict, name)
                if what in self.needs and verdict.factor > 0.0:
                    reject(f"with {name} the factor is {verdict.factor}", "delay while the data is missing")

    def test_worse_is_never_freer(self) -> None:
        """As the quantity the rule watches gets worse, the factor never rises."""
        plugin, scene = self.build(), inspect.getattr_static(type(self), "monotone")
        if scene is None:
            pytest.skip("monotone is not declared: give a function from badness 0..1 to (entry, book)")
        ask = scene.__func__ if isinstance(scene, staticmethod) else scene
        factors = [plugin.check(*ask(step / 100)).factor for step in range(101)]
        if factors[0] != 1.0 or factors[-1] >= 1.0:
            reject(
                f"the factor goes from {factors[0]} to {factors[-1]}",
                "let the scene go from where the rule allows everything to where it intervenes",
            )
        for step in range(100):
            if factors[step + 1] > factors[step]:
                where = f"rises from {factors[step]} at badness {step / 100}"
                reject(f"the factor {where}", "compare the right way round")

    def test_same_case_gives_the_same_verdict(self) -> None:
        """Asked again, and in another order, a rule says the same: it keeps no state."""
        plugin = self.build()
        state = state_text(plugin)
        forth = [plugin.check(*case) for _, case in ordinary_cases()]
        back = [plugin.check(*case) for _, case in reversed(list(ordinary_cases()))]
        fresh = [self.build().check(*case) for _, case in ordinary_cases()]
        for (name, _), one, two, three in zip(ordinary_cases(), forth, reversed(back), fresh, strict=True):
            if not one == two == three:
                reject(f"for {name} the rule says {one}, then {two}", "the book has all history; keep none")
        if state_text(plugin) != state:
            reject("the rule changed while it was asked", "keep nothing on self; counters are the kernel's")

    def test_needs_nothing_from_outside(self) -> None:
        """Time is ``entry.now_ms``; clock, chance, environment, network and disk are taken away."""
        plugin = self.build()
        self.exercise(plugin)
        try:
            with sealed(self.plugin.__module__) as touched:
                self.exercise(plugin)
        except OutsideWorldError:
            pass
        if touched:
            reject(f"the rule used {touched[0]}", "judge from entry and book alone; now is entry.now_ms")

    def test_arguments_are_not_mutated(self) -> None:
        """The book belongs to everybody, and so does the arithmetic of Decimal."""
        plugin, context = self.build(), repr(getcontext())
        for name, (candidate, account) in ordinary_cases():
            before = repr((candidate, account))
            plugin.check(candidate, account)
            if repr((candidate, account)) != before:
                reject(
                    f"for {name} the rule changed its arguments", "work on a copy: sorted(book.round_trips)"
                )
        if repr(getcontext()) != context:
            reject("the rule changed the context of Decimal", "use decimal.localcontext()")

    def test_is_fast_enough(self, request: pytest.FixtureRequest) -> None:
        """A verdict costs at most 1 ms of CPU on a machine like ours."""
        plugin, (candidate, account) = self.build(), list(ordinary_cases())[8][1]
        spent = (
            measure.cpu_seconds(lambda: plugin.check(candidate, account), 50) * 1000.0 / measure.slowness()
        )
        request.node.user_properties.append(("check_ms", round(spent, 3)))
        if spent > CHECK_MS:
            reject(f"one verdict takes {spent:.2f} ms, more than {CHECK_MS} ms", "compute less per entry")

    def _valid(self, verdict: Any, name: str) -> None:
        fault = verdict_fault(verdict)
        if fault:
            reject(f"for {name}: {fault}", "see cab_core.sdk.Verdict")


def verdict_fault(verdict: Any) -> str:
    """Describe the first breach of the contract of `Verdict`; empty if there is none."""
    if not isinstance(verdict, Verdict):
        return f"the answer is a {type(verdict).__name__}, not a Verdict"
    kind: Any = verdict.kind
    if not isinstance(kind, VerdictKind):
        return f"the kind {kind!r} is no VerdictKind"
    factor: Any = verdict.factor
    if not isinstance(factor, float | int) or not 0.0 <= factor <= 1.0:
        return f"the factor {factor!r} is no number in [0, 1]"
    expected = 1.0 if verdict.kind in _FULL else 0.0 if verdict.kind in _NOTHING else verdict.factor
    if verdict.factor != expected:
        return f"{verdict.kind} does not go with the factor {verdict.factor}"
    return _words_fault(verdict) or _figures_fault(verdict)


def _words_fault(verdict: Verdict) -> str:
    if verdict.kind is not VerdictKind.ALLOW and not verdict.reason:
        return f"{verdict.kind} has no reason"
    if verdict.reason and not SNAKE_CASE.fullmatch(verdict.reason):
        return f"the reason {verdict.reason!r} is not lower snake case"
    return ""


def _figures_fault(verdict: Verdict) -> str:
    for name, figure in (("value", verdict.value), ("threshold", verdict.threshold)):
        if figure is not None and not math.isfinite(figure):
            return f"{name} is {figure}"
    if verdict.until_ms is not None and verdict.kind is not VerdictKind.HALT:
        return f"until_ms goes with halt only, not with {verdict.kind}"
    return ""
