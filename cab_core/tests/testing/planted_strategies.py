"""Strategies with one planted fault each; ``REJECTED_BY`` names the check that must find it."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import random
import socket
import time
from pathlib import Path

import numpy as np

from cab_core.domain import bars as internals
from cab_core.sdk import (
    Action,
    Bars,
    FloatArray,
    MarketData,
    Signals,
    Strategy,
    When,
    decide,
    hookimpl,
    option,
    plugin,
)
from cab_core.testing import StrategyConformance


def mean(column: FloatArray, n: int) -> FloatArray:
    means = np.full(len(column), np.nan)
    if len(column) >= n:
        means[n - 1 :] = np.lib.stride_tricks.sliding_window_view(column, n).mean(axis=1)
    return means


def crossing(bars: Bars, line: FloatArray, warmup: int = 20) -> Signals:
    table = [
        When(bars.close < line, Action.SELL, "below"),
        When(bars.close > line, Action.BUY, "above"),
    ]
    return decide(len(bars), warmup, table, "level")


class Sound(Strategy):
    """What every fault below is planted into."""

    def warmup_bars(self) -> int:
        return 20

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        return crossing(bars, self.line(bars))

    def line(self, bars: Bars) -> FloatArray:
        return mean(bars.close, 20)


class LooksOneBarAhead(Sound):
    def line(self, bars: Bars) -> FloatArray:
        return np.append(bars.close[1:], np.nan)


class NormalisesOverTheWindow(Sound):
    def line(self, bars: Bars) -> FloatArray:
        return np.full(len(bars), bars.close.mean() if len(bars) else np.nan)


class CentresItsMean(Sound):
    def line(self, bars: Bars) -> FloatArray:
        return np.append(mean(bars.close, 21)[10:], np.full(min(10, len(bars)), np.nan))[: len(bars)]


class KnowsTheHighestPrice(Sound):
    def line(self, bars: Bars) -> FloatArray:
        return np.full(len(bars), 0.95 * np.max(bars.close, initial=0.0))


class KnowsTheLargestVolume(Sound):
    def line(self, bars: Bars) -> FloatArray:
        return mean(bars.close, 20) * (1.0 + 1e-6 * (bars.volume < bars.volume.mean() if len(bars) else 0.0))


SEEN: list[float] = []


class AddsUpAllMarkets(Sound):
    def line(self, bars: Bars) -> FloatArray:
        SEEN.append(float(bars.close.sum()))
        return mean(bars.close, 20) + (sum(SEEN) % 7.0 - 3.0) * 0.01 * bars.close


FIRST: dict[str, float] = {}


class RemembersTheFirstMarket(Sound):
    def line(self, bars: Bars) -> FloatArray:
        first = FIRST.setdefault("close", float(bars.close[0]) if len(bars) else 1.0)
        return np.full(len(bars), first)


class CountsItsCalls(Sound):
    def __init__(self) -> None:
        self.calls = 0

    def line(self, bars: Bars) -> FloatArray:
        self.calls += 1
        return super().line(bars)


class ReadsTheClock(Sound):
    def line(self, bars: Bars) -> FloatArray:
        return mean(bars.close, 20) * (1.0 + 1e-9 * (time.time() > 0.0))


class ReadsTheDate(Sound):
    def line(self, bars: Bars) -> FloatArray:
        return mean(bars.close, 20) * (dt.datetime.now(dt.UTC).year > 2000)


class SwallowsTheRefusal(Sound):
    def line(self, bars: Bars) -> FloatArray:
        with contextlib.suppress(RuntimeError):
            time.monotonic()
        return super().line(bars)


class Gambles(Sound):
    def line(self, bars: Bars) -> FloatArray:
        return mean(bars.close, 20) * random.uniform(0.99, 1.01)


class GamblesWithNumpy(Sound):
    def line(self, bars: Bars) -> FloatArray:
        return mean(bars.close, 20) * np.random.default_rng().normal(1.0, 0.01)


class ReadsTheEnvironment(Sound):
    def line(self, bars: Bars) -> FloatArray:
        return mean(bars.close, 20) * float(os.environ.get("BIAS", "1"))


class WritesAFile(Sound):
    def line(self, bars: Bars) -> FloatArray:
        with Path(os.devnull).open("w") as out:
            out.write("seen")
        return super().line(bars)


class AsksTheNetwork(Sound):
    def line(self, bars: Bars) -> FloatArray:
        socket.socket().close()
        return super().line(bars)


class DependsOnTheHashSeed(Sound):
    def line(self, bars: Bars) -> FloatArray:
        return mean(bars.close, 20) * (1.0 + 0.001 * (hash("bias") % 11))


class ConfidenceIsNaN(Sound):
    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        answer = super().signals(bars)
        return Signals(
            answer.action, np.where(answer.action != 0, np.nan, 0.0), answer.reason, answer.reasons
        )


class BuysTwice(Sound):
    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        answer = super().signals(bars)
        return Signals(answer.action * np.int8(2), answer.confidence, answer.reason, answer.reasons)


class ShoutsItsReasons(Sound):
    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        answer = super().signals(bars)
        return Signals(answer.action, answer.confidence, answer.reason, ("Level!", "UP", "Down", "early"))


class ForgetsTheLastRow(Sound):
    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        return super().signals(bars)[: max(0, len(bars) - 1)]


class RaisesOnShortMarkets(Sound):
    def line(self, bars: Bars) -> FloatArray:
        return np.full(len(bars), bars.close[19])


class DividesByZero(Sound):
    def line(self, bars: Bars) -> FloatArray:
        return mean(bars.close * bars.volume, 20) / mean(bars.volume, 20)


class WarmUpTooSmall(Sound):
    def warmup_bars(self) -> int:
        return 5

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        return crossing(bars, mean(bars.close, 50), warmup=5)


class ForgetsNothing(Sound):
    def line(self, bars: Bars) -> FloatArray:
        return np.asarray(np.cumsum(bars.close) / np.arange(1, len(bars) + 1))


class WarmUpBeyondTheWindow(Sound):
    def warmup_bars(self) -> int:
        return 800


class TradesWhileCold(Sound):
    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        return crossing(bars, mean(bars.close, 2), warmup=2)


class WritesIntoTheCandles(Sound):
    def line(self, bars: Bars) -> FloatArray:
        bars.close.flags.writeable = True
        bars.close[:1] = 1.0
        return super().line(bars)


class TakesItsTime(Sound):
    def line(self, bars: Bars) -> FloatArray:
        return mean(bars.close, 20) + 0.0 * sum(i * i for i in range(300_000))


LEAK: list[FloatArray] = []


class KeepsEveryAnswer(Sound):
    def line(self, bars: Bars) -> FloatArray:
        LEAK.append(bars.close.copy())
        return super().line(bars)


class UsesInternals(Sound):
    def line(self, bars: Bars) -> FloatArray:
        return super().line(internals.Bars.of(*bars.columns()))


class LoadsTheNetworkLate(Sound):
    def line(self, bars: Bars) -> FloatArray:
        __import__("sqlite3")
        return super().line(bars)


@plugin
class BoundsWithoutTeeth(Sound):
    period: int = option(20, ge=2, le=100, help="Bars of the mean.")

    def __init__(self, period: int = 20) -> None:
        vars(self)["period"] = period


@plugin
class BreaksOnSomeOptions(Sound):
    period: int = option(20, ge=0, le=100, help="Bars of the mean.")

    def line(self, bars: Bars) -> FloatArray:
        return mean(bars.close, self.period // (self.period != 7))


class MisspellsItsArgument(Strategy):
    def warmup_bars(self) -> int:
        return 1

    @hookimpl
    def signals(self, candles: Bars) -> Signals:
        return Signals.hold(len(candles), "asleep")


class ForgetsTheMark(Strategy):
    def warmup_bars(self) -> int:
        return 1

    def signals(self, bars: Bars) -> Signals:
        return Signals.hold(len(bars), "asleep")


class AnswersWithAWord(Strategy):
    def warmup_bars(self) -> int:
        return 1

    @hookimpl
    def generate(self, md: MarketData) -> str:
        return "buy"


class NeverActs(Strategy):
    def warmup_bars(self) -> int:
        return 1

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        return Signals.hold(len(bars), "asleep")


REJECTED_BY: dict[type, str] = {
    LooksOneBarAhead: "test_no_lookahead_by_prefix",
    NormalisesOverTheWindow: "test_no_lookahead_by_mutation",
    CentresItsMean: "test_no_lookahead_by_prefix",
    KnowsTheHighestPrice: "test_no_lookahead_by_prefix",
    KnowsTheLargestVolume: "test_no_lookahead_by_mutation",
    AddsUpAllMarkets: "test_same_input_gives_the_same_answer",
    RemembersTheFirstMarket: "test_keeps_no_state_between_calls",
    CountsItsCalls: "test_keeps_no_state_between_calls",
    ReadsTheClock: "test_needs_nothing_from_outside",
    ReadsTheDate: "test_needs_nothing_from_outside",
    SwallowsTheRefusal: "test_needs_nothing_from_outside",
    Gambles: "test_needs_nothing_from_outside",
    GamblesWithNumpy: "test_same_input_gives_the_same_answer",
    ReadsTheEnvironment: "test_needs_nothing_from_outside",
    WritesAFile: "test_needs_nothing_from_outside",
    AsksTheNetwork: "test_needs_nothing_from_outside",
    DependsOnTheHashSeed: "test_other_processes_give_the_same_answer",
    ConfidenceIsNaN: "test_answers_keep_the_output_contract",
    BuysTwice: "test_answers_keep_the_output_contract",
    ShoutsItsReasons: "test_answers_keep_the_output_contract",
    ForgetsTheLastRow: "test_answers_keep_the_output_contract",
    RaisesOnShortMarkets: "test_bad_data_never_raises",
    DividesByZero: "test_bad_data_never_raises",
    WarmUpTooSmall: "test_warm_up_is_sufficient",
    ForgetsNothing: "test_warm_up_is_sufficient",
    WarmUpBeyondTheWindow: "test_holds_before_the_warm_up",
    TradesWhileCold: "test_holds_before_the_warm_up",
    WritesIntoTheCandles: "test_input_is_not_mutated",
    TakesItsTime: "test_is_fast_enough",
    KeepsEveryAnswer: "test_memory_does_not_grow",
    UsesInternals: "test_imports_only_what_it_may",
    LoadsTheNetworkLate: "test_loads_nothing_from_outside",
    BoundsWithoutTeeth: "test_option_bounds_are_enforced",
    BreaksOnSomeOptions: "test_every_legal_option_works",
    MisspellsItsArgument: "test_is_a_proper_plugin_class",
    ForgetsTheMark: "test_is_a_proper_plugin_class",
    AnswersWithAWord: "test_answers_keep_the_output_contract",
}
#: The check that has nothing to reject but says what it did not see.
SKIPPED_BY: dict[type, str] = {NeverActs: "test_buys_and_sells_somewhere"}


class BendsACheck(StrategyConformance):
    plugin = Sound

    def test_is_fast_enough(self) -> None:  # type: ignore[override]  # overriding it is the planted fault
        pass


def suite(fault: type) -> type:
    return type(f"Test{fault.__name__}", (StrategyConformance,), {"plugin": fault, "__module__": __name__})


for planted in (*REJECTED_BY, *SKIPPED_BY):
    globals()[f"Test{planted.__name__}"] = suite(planted)
TestBendsACheck = BendsACheck
