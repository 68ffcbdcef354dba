"""Asking strategies for blocks of bars, so that a failure spoils exactly the bars it would spoil live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import attrs

from cab_core.domain.bars import Bars
from cab_core.domain.signals import Decision, Signals
from cab_core.plugins.answers import check_decision, check_values, columns, shaped
from cab_core.plugins.bound import BoundStrategy
from cab_core.plugins.failures import Failure
from cab_core.plugins.guard import HangGuard
from cab_core.plugins.isolation import (
    PluginJunk,
    PluginQuarantined,
    Strikes,
    attempt,
    attempt_within,
    describe,
    error_reason,
    told,
)
from cab_core.plugins.kinds import Kind
from cab_core.plugins.policy import POLICIES

#: The rows of an answer or why there are none; neither if there was no call.
Asked: TypeAlias = tuple[Signals | None, BaseException | None]


@attrs.frozen(eq=False, slots=True)
class Spoiled(Signals):
    """Answers about bars one by one, some of which do not count.

    Attributes:
        errors: per row why its answer does not count, for people; empty where it does.
    """

    errors: tuple[str, ...] = ()

    @classmethod
    def of(cls, answers: Sequence[tuple[Decision, str]]) -> Spoiled:
        """Put the answers of consecutive bars and their errors side by side."""
        side = columns([decision for decision, _ in answers])
        errors = tuple(error for _, error in answers)
        return cls(side.action, side.confidence, side.reason, side.reasons, side.data, errors)


class StrategyCaller:
    """One strategy on one symbol. Never raises: what fails becomes a hold with reason ``error:…``.

    Strikes are counted per bar and symbol, so replay in blocks and paper bar by bar quarantine alike.

    Args:
        budget_s: of one call: a block, or a bar of a bar-by-bar strategy.
    """

    def __init__(
        self,
        bound: BoundStrategy,
        symbol: str = "",
        *,
        guard: HangGuard | None = None,
        budget_s: float = POLICIES[Kind.STRATEGY].budget_s,
    ) -> None:
        self.bound = bound
        self.symbol = symbol
        self.guard = guard or HangGuard()
        self.strikes = Strikes()
        self.seconds = 0.0
        self._budget_s = budget_s

    @property
    def name(self) -> str:
        """Return the strategy's name, e.g. ``ema_cross``."""
        return self.bound.name

    def last(self, bars: Bars) -> Signals:
        """Answer the last bar of the window: one row."""
        return self.block(bars, len(bars) - 1)

    def block(self, bars: Bars, first: int) -> Signals:
        """Answer the bars from ``first`` to the end of the window."""
        with self.guard:
            rows, error = self._rows(bars, first)
            return self.settled(bars, first, rows, error)

    def ask(self, bars: Bars, first: int) -> Asked:
        """Ask for all bars from ``first`` on at once; whoever asks looks at the values with `check_values`.

        Returns neither answer nor error if the strategy is not to be asked in this way.
        """
        if self.bound.by_bar is not None or self.strikes.quarantined:
            return None, None
        answer, error, self.seconds = attempt_within(self.guard, self._budget_s, self.bound.call, bars)
        if error is not None:
            return None, error
        rows, junk = attempt(shaped, answer, len(bars), first)
        return rows, junk and _as_junk(junk)

    def settled(self, bars: Bars, first: int, rows: Signals | None, error: BaseException | None) -> Signals:
        """Count an answer that passed, else ask for each bar again with the bars known at its time.

        That is what a live run does, so that a block and its bars one by one give the same rows.
        """
        n = len(bars) - first
        if self.strikes.quarantined:
            return Signals.hold(n, error_reason(PluginQuarantined()))
        if rows is not None:
            self.strikes.good(n)
            return rows
        if error is not None and n == 1:
            return Spoiled.of([self._spoiled(error)])
        return Spoiled.of([self._bar(bars[: k + 1]) for k in range(first, len(bars))])

    def _rows(self, bars: Bars, first: int) -> Asked:
        rows, error = self.ask(bars, first)
        return (None, error) if rows is None else judged(rows)

    def _bar(self, bars: Bars) -> tuple[Decision, str]:
        if self.strikes.quarantined:
            quarantined = PluginQuarantined(f"not asked any more after {self.strikes.last_error}")
            return Decision("hold", 0.0, error_reason(quarantined)), told(quarantined)
        decision, error = self._decision(bars)
        if decision is None:
            return self._spoiled(error or PluginJunk("no answer"))
        self.strikes.good()
        return decision, ""

    def _decision(self, bars: Bars) -> tuple[Decision | None, BaseException | None]:
        if self.bound.by_bar is None:
            rows, error = self._rows(bars, len(bars) - 1)
            return (None, error) if rows is None else (rows.row(0), None)
        answer, error, self.seconds = attempt_within(
            self.guard, self._budget_s, self.bound.by_bar, bars, self.symbol
        )
        if error is not None:
            return None, error
        decision, junk = attempt(check_decision, answer)
        return decision, junk and _as_junk(junk)

    def _spoiled(self, error: BaseException) -> tuple[Decision, str]:
        self.strikes.bad(error)
        return Decision("hold", 0.0, error_reason(error)), told(error)


def judged(rows: Signals) -> Asked:
    """Return an answer if its values mean something, else why they do not."""
    _, junk = attempt(check_values, [rows])
    return (rows, None) if junk is None else (None, _as_junk(junk))


def _as_junk(error: BaseException) -> PluginJunk:
    """Return an answer that fails while it is looked at as what it is: junk."""
    return error if isinstance(error, PluginJunk) else PluginJunk(describe(error))


class StrategyPanel:
    """All strategies of one symbol, asked one after the other under one alarm."""

    def __init__(self, callers: Sequence[StrategyCaller], guard: HangGuard) -> None:
        self.callers = tuple(callers)
        self._guard = guard

    @classmethod
    def of(
        cls,
        strategies: Sequence[BoundStrategy],
        symbol: str,
        *,
        budget_s: float = POLICIES[Kind.STRATEGY].budget_s,
    ) -> StrategyPanel:
        """Return a panel of fresh callers, in the order of ``strategies``."""
        guard = HangGuard()
        callers = [StrategyCaller(bound, symbol, guard=guard, budget_s=budget_s) for bound in strategies]
        return cls(callers, guard)

    def failures(self) -> list[Failure]:
        """Return what became of each strategy so far."""
        return [caller.strikes.failure(caller.bound.id, caller.symbol) for caller in self.callers]

    def block(self, bars: Bars, first: int) -> list[Signals]:
        """Answer the bars from ``first`` on, for each strategy in order."""
        with self._guard:
            asked = [caller.ask(bars, first) for caller in self.callers]
            # One look at all values costs little more than a look at those of one strategy.
            _, junk = attempt(check_values, [rows for rows, _ in asked if rows is not None])
            if junk is not None:  # whose is it?
                asked = [(None, error) if rows is None else judged(rows) for rows, error in asked]
            return [
                caller.settled(bars, first, *answer)
                for caller, answer in zip(self.callers, asked, strict=True)
            ]

    def last(self, bars: Bars) -> list[Signals]:
        """Answer the last bar, for each strategy in order: one row each."""
        return self.block(bars, len(bars) - 1)
