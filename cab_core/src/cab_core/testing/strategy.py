"""The conformance suite of strategies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from cab_core.plugins.bound import BoundStrategy
from cab_core.plugins.kinds import Kind
from cab_core.sdk import Action, Bars, Signals
from cab_core.testing import measure
from cab_core.testing.answers import asked, decision_of, difference, signals_of
from cab_core.testing.base import Asking, Conformance, reject, state_text
from cab_core.testing.contract import contract_fault
from cab_core.testing.fresh import in_fresh_processes
from cab_core.testing.imports import is_outside
from cab_core.testing.lookahead import mutation_fault, prefix_fault
from cab_core.testing.odd import odd_markets, quiet_answer
from cab_core.testing.sealed import OutsideWorldError, sealed
from cab_core.testing.series import LENGTH, market
from cab_core.testing.settling import enough_history, settling_fault

#: The least history of a decision once the market is old enough (design: the anchored window).
WINDOW = 500
DECISION_MS = 2.0
GROWTH_BYTES = 200


class StrategyConformance(Conformance):
    """Standard checks of a strategy. Write ``class TestMine(StrategyConformance): plugin = Mine``."""

    kind: ClassVar[Kind] = Kind.STRATEGY
    #: From how many bars of history on answers no longer depend on where it begins. None means
    #: ``warmup_bars()``; recursive indicators (EMA, Wilder's averages) remember longer, at most 500 bars.
    settling_bars: ClassVar[int | None] = None

    _answers: ClassVar[dict[str, Signals] | None] = None

    def exercise(self, plugin: Any) -> None:
        """Ask for the answers of one ordinary series."""
        bars = market()["regimes"][:300]
        fault = contract_fault(quiet_answer(plugin, bars), len(bars))
        if fault:
            reject(f"with {plugin!r}: {fault}", "keep the contract for every legal option")

    def asked(self) -> BoundStrategy:
        """Return a fresh plugin registered with a host, as the kernel asks it."""
        return asked(self.build())

    def answers(self) -> Mapping[str, Signals]:
        """Return the answers of a fresh plugin to the twelve series, computed once per suite."""
        cls = type(self)
        if "_answers" not in vars(cls) or cls._answers is None:
            strategy = self.asked()
            cls._answers = {name: signals_of(strategy, bars) for name, bars in market().items()}
        return cls._answers

    def sample(self, bars: Bars) -> Bars:
        """Return the bars worth asking again: all, or fewer for a strategy that goes bar by bar."""
        return bars if hasattr(self.plugin, "signals") else bars[:300]

    def test_answers_keep_the_output_contract(self) -> None:
        """Lengths, types and ranges: buy, sell or hold, confidence in [0, 1], reasons in snake case."""
        for name, bars in market().items():
            fault = contract_fault(signals_of(self.asked(), self.sample(bars)), len(self.sample(bars)))
            if fault:
                reject(f"on {name}: {fault}", "see cab_core.sdk.Signals and Decision")

    def test_same_input_gives_the_same_answer(self) -> None:
        """The same plugin asked twice, and a second one like it, answer alike to the last bit."""
        for name, bars in market().items():
            plugin, part = self.asked(), self.sample(bars)
            first = signals_of(plugin, part)
            for other in (signals_of(plugin, part), signals_of(self.asked(), part)):
                self._expect_equal(first, other, f"asked again about {name}")

    def test_other_processes_give_the_same_answer(self) -> None:
        """Neither the order of a set nor the moment of the start changes a decision."""
        forth, other, _ = in_fresh_processes(self.plugin, self.options)
        for name, digest in forth.digests.items():
            if digest != other.digests[name]:
                reject(
                    f"two processes with different PYTHONHASHSEED disagree on {name}",
                    "do not iterate over sets, use hash(), the time or an unseeded generator",
                )

    def test_no_lookahead_by_prefix(self) -> None:
        """At more than 200 bars, the answer without the later bars is the same to the last bit."""
        for name, bars in market().items():
            fault = prefix_fault(self.asked(), bars, self.answers()[name])
            if fault:
                reject(
                    f"on {name}: {fault}",
                    "row k may use rows <= k only: no shift(-1), no whole-window statistics",
                )

    def test_no_lookahead_by_mutation(self) -> None:
        """Rewriting everything after a bar, prices and volumes alike, does not change its decision."""
        for name, bars in market().items():
            fault = mutation_fault(self.asked(), self.sample(bars))
            if fault:
                reject(
                    f"on {name}: {fault}",
                    "row k may use rows <= k only: no shift(-1), no whole-window statistics",
                )

    def test_holds_before_the_warm_up(self) -> None:
        """The warm-up is declared, fits into the window, and nothing is bought or sold before it."""
        warmup = self.build().warmup_bars()
        if not isinstance(warmup, int) or isinstance(warmup, bool) or not 1 <= warmup <= WINDOW:
            reject(f"warmup_bars() is {warmup!r}", f"return a whole number of bars from 1 to {WINDOW}")
        for name, answer in self.answers().items():
            early = answer.action[: warmup - 1].nonzero()[0]
            if len(early):
                reject(
                    f"on {name}: {Action(int(answer.action[early[0]])).label} at row {early[0]}, "
                    f"before warmup_bars() = {warmup} bars are there",
                    "hold with reason not_enough_bars until then; decide(...) of the SDK does it",
                )

    def test_warm_up_is_sufficient(self) -> None:
        """With 1, 2 and 4 times the declared history, and with all of it, the decisions agree."""
        declared = self.settling_bars or self.build().warmup_bars()
        if not 1 <= declared <= WINDOW:
            reject(
                f"settling_bars = {declared}", f"the window holds at least {WINDOW} bars; settle within them"
            )
        fault = settling_fault(self.asked(), declared)
        if fault:
            enough = enough_history(self.asked(), declared)
            settle = f"set settling_bars = {enough} in the suite" if enough else "shorten the memory"
            reject(fault, f"raise warmup_bars(); if only the tail of an EMA is at work, {settle}")

    def test_bad_data_never_raises(self) -> None:
        """Empty, short, flat, gapped, silent, tiny and huge markets give valid answers without a warning."""
        plugin = self.asked()
        for name, bars in odd_markets(plugin.warmup_bars):
            with Asking(name):
                fault = contract_fault(quiet_answer(plugin, bars), len(bars))
            if fault:
                reject(f"on {name}: {fault}", "hold where the figures mean nothing; guard divisions")

    def test_needs_nothing_from_outside(self) -> None:
        """With clock, chance, environment, network and disk taken away, it still answers the same."""
        bars = self.sample(market()["regimes"])
        plugin = self.asked()
        before = signals_of(plugin, bars)
        try:
            with sealed(self.plugin.__module__) as touched:
                answer = signals_of(plugin, bars)
        except OutsideWorldError:
            answer = before
        if touched:
            reject(f"the strategy used {touched[0]}", "decide from the bars alone; take settings as options")
        self._expect_equal(before, answer, "in the sealed room")

    def test_input_is_not_mutated(self) -> None:
        """The candles belong to everybody; whoever needs other numbers makes a copy."""
        for name, bars in market().items():
            part = self.sample(bars)
            mine = Bars.of(*part.columns())
            signals_of(self.asked(), mine)
            for column, original in zip(mine.columns(), part.columns(), strict=True):
                if column.flags.writeable or column.tobytes() != original.tobytes():
                    reject(f"on {name} the strategy changed its candles", "work on a copy: bars.close.copy()")

    def test_keeps_no_state_between_calls(self) -> None:
        """Asked about two markets in turn, in any order, it answers as if it knew only the one."""
        strategy = self.asked()
        state = state_text(strategy.plugin)
        names = ("regimes", "crash", "regimes", "choppy", "crash")
        for name in names:
            part = self.sample(market()[name])
            self._expect_equal(
                signals_of(self.asked(), part), signals_of(strategy, part), f"on {name} in turn"
            )
        if state_text(strategy.plugin) != state:
            reject(
                "the plugin object changed while it was asked",
                "keep nothing on self; recompute from the bars",
            )
        forth, _, back = in_fresh_processes(self.plugin, self.options)
        for name, digest in forth.digests.items():
            if digest != back.digests[name]:
                reject(
                    f"the answers on {name} depend on which market was asked before", "keep no global state"
                )

    def test_is_fast_enough(self, request: pytest.FixtureRequest) -> None:
        """A decision costs at most 2 ms of CPU on a window of 1,000 bars, on a machine like ours."""
        plugin, bars = self.asked(), market()["regimes"][:1000]
        slow = measure.slowness()
        spent = 1000.0 * measure.cpu_seconds(lambda: decision_of(plugin, bars), 25) / slow
        request.node.user_properties.append(("decision_ms", round(spent, 3)))
        if spent > DECISION_MS:
            reject(
                f"one decision takes {spent:.1f} ms, more than {DECISION_MS} ms",
                "vectorise: one pass over the window",
            )

    def test_memory_does_not_grow(self) -> None:
        """A thousand calls leave nothing behind."""
        plugin = self.asked()
        bars = market()["regimes"][: max(100, plugin.warmup_bars)]
        calls = 500
        grown = measure.memory_growth(lambda: decision_of(plugin, bars), calls)
        if grown > GROWTH_BYTES * calls:
            reject(
                f"memory grew by {grown // calls} bytes a call", "keep no results; no global lists or caches"
            )

    def test_buys_and_sells_somewhere(self, request: pytest.FixtureRequest) -> None:
        """Counts buys and sells over the twelve series; skips, saying so, if there are none of a kind."""
        counts = {
            action.label: sum(int((answer.action == action).sum()) for answer in self.answers().values())
            for action in (Action.BUY, Action.SELL)
        }
        for label, count in counts.items():
            request.node.user_properties.append((f"{label}s", count))
        missing = [label for label, count in counts.items() if not count]
        if missing:
            pytest.skip(
                f"no {' and no '.join(missing)} in 12 series of {LENGTH} bars: does the idea ever act?"
            )

    def test_loads_nothing_from_outside(self) -> None:
        """Importing and asking the strategy pulls in no network, process or database library."""
        for name in in_fresh_processes(self.plugin, self.options)[0].loaded:
            if is_outside(name):
                reject(f"the strategy loads {name}", "drop the dependency; a strategy needs arithmetic only")

    def _expect_equal(self, first: Signals, other: Signals, where: str) -> None:
        found = difference(first, other, len(first))
        if found:
            reject(f"{where}: {found}", "a strategy is a pure function of its bars and options")
