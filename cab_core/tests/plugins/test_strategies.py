from __future__ import annotations

import asyncio
import time
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cab_core.plugins.answers import check_signals
from cab_core.plugins.host import Host
from cab_core.plugins.inventory import PluginRecord
from cab_core.plugins.kinds import Kind
from cab_core.plugins.smoke import sample_bars
from cab_core.plugins.strategies import StrategyCaller, StrategyPanel
from cab_core.sdk import Decision, Signals, Strategy, hookimpl

N = 60
RECORD = PluginRecord(kind=Kind.STRATEGY, name="mine", target="test:Mine")
BARS = sample_bars(N)


def signals_of(answer):
    """Return a strategy whose `signals` hook is the given function."""

    class Mine(Strategy):
        def warmup_bars(self):
            return 1

        @hookimpl
        def signals(self, bars):
            return answer(bars)

    return Mine()


def generate_of(answer):
    """Return a strategy whose `generate` hook is the given function."""

    class Mine(Strategy):
        def warmup_bars(self):
            return 1

        @hookimpl
        def generate(self, md, ctx):
            return answer(md)

    return Mine()


def good(bars):
    n = len(bars)
    action = np.where(np.arange(n) % 3 == 0, 1, 0).astype(np.int8)
    return Signals(
        action, 0.6 * action, action.astype(np.int16), ("wait", "third_bar"), {"x": np.arange(n) / 2}
    )


def rows(signals):
    return [
        (signals.row(k).action, signals.row(k).confidence, signals.row(k).reason) for k in range(len(signals))
    ]


@pytest.fixture
def caller(bind):
    return lambda strategy, **kw: StrategyCaller(bind(Kind.STRATEGY, strategy), "BTC/USDT", **kw)


def by_bar(make, bars, first):
    """Ask a fresh caller bar by bar, as a live run does."""
    tried = make()
    return [row for k in range(first, len(bars)) for row in rows(tried.last(bars[: k + 1]))]


def test_a_block_has_the_rows_from_first_on(caller):
    block = caller(signals_of(good)).block(BARS, 50)
    assert len(block) == 10
    assert rows(block) == rows(good(BARS))[50:]
    assert block.data["x"].tolist() == (np.arange(50, 60) / 2).tolist()


def changed(**columns):
    def answer(bars):
        base = good(bars)
        values = {name: getattr(base, name) for name in ("action", "confidence", "reason", "reasons", "data")}
        return Signals(**(values | {name: make(len(bars)) for name, make in columns.items()}))

    return answer


JUNK = {
    "none": lambda bars: None,
    "text": lambda bars: "BUY",
    "decision": lambda bars: Decision("buy", 0.5),
    "short": changed(action=lambda n: np.zeros(n - 1, np.int8)),
    "long": changed(confidence=lambda n: np.zeros(n + 1)),
    "list": changed(action=lambda n: [0] * n),
    "two_dimensional": changed(action=lambda n: np.zeros((n, 1), np.int8)),
    "float_action": changed(action=lambda n: np.zeros(n)),
    "action_2": changed(action=lambda n: np.full(n, 2, np.int8)),
    "wide_action_300": changed(action=lambda n: np.full(n, 256, np.int64)),
    "nan": changed(confidence=lambda n: np.full(n, np.nan)),
    "above_one": changed(confidence=lambda n: np.full(n, 1.7)),
    "negative": changed(confidence=lambda n: np.full(n, -0.1)),
    "infinite": changed(confidence=lambda n: np.full(n, np.inf)),
    "text_confidence": changed(confidence=lambda n: np.full(n, "0.5")),
    "confident_hold": changed(confidence=lambda n: np.full(n, 0.6)),
    "reason_out_of_range": changed(reason=lambda n: np.full(n, 7, np.int16)),
    "reason_negative": changed(reason=lambda n: np.full(n, -1, np.int16)),
    "no_reasons": changed(reasons=lambda n: ()),
    "number_reasons": changed(reasons=lambda n: (1, 2)),
    "short_data": changed(data=lambda n: {"x": np.zeros(n - 1)}),
    "text_data": changed(data=lambda n: {"x": np.full(n, "a")}),
    "data_is_none": changed(data=lambda n: None),
}


@pytest.mark.catalogue(96)
@pytest.mark.parametrize("answer", JUNK.values(), ids=JUNK.keys())
def test_junk_holds_with_a_named_reason(caller, answer):
    tried = caller(signals_of(answer))
    last = tried.last(BARS[: N - 1])  # bar 58 would be a hold, bar 57 a buy
    assert rows(last) == [("hold", 0.0, "error:PluginJunk")]
    assert tried.strikes.failures == 1


def test_harmless_other_types_are_taken(caller):
    answer = changed(
        action=lambda n: np.ones(n, np.int64),
        confidence=lambda n: np.ones(n, np.float32),
        reason=lambda n: np.zeros(n, np.uint8),
        data=lambda n: MappingProxyType({"n": np.arange(n)}),
    )
    block = caller(signals_of(answer)).block(BARS, 0)
    assert (block.action.dtype, block.confidence.dtype, block.reason.dtype) == ("int8", "float64", "int16")
    assert set(rows(block)) == {("buy", 1.0, "wait")}


def spoils_bar(k, how):
    """Answer well, except that the answer at bar ``k`` is spoilt."""

    def answer(bars):
        base = good(bars)
        confidence = base.confidence.copy()
        if len(bars) > k:
            confidence[k] = how
        return Signals(base.action, confidence, base.reason, base.reasons, base.data)

    return answer


@pytest.mark.parametrize("how", [np.nan, 1.7, -1.0])
def test_one_bad_bar_spoils_only_itself_in_a_block_as_bar_by_bar(caller, how):
    def make():
        return caller(signals_of(spoils_bar(40, how)))

    block = rows(make().block(BARS, 30))
    wanted = rows(good(BARS))[30:]
    wanted[10] = ("hold", 0.0, "error:PluginJunk")
    assert block == wanted
    assert by_bar(make, BARS, 30) == wanted


def test_raising_at_some_bars_gives_the_same_rows_in_a_block_and_bar_by_bar(caller):
    def raising(bars):
        if len(bars) == N or 40 < len(bars) <= 45:
            raise ZeroDivisionError("flat")
        return good(bars)

    def make():
        return caller(signals_of(raising))

    block = rows(make().block(BARS, 30))
    assert block == by_bar(make, BARS, 30)
    spoilt = [30 + i for i, row in enumerate(block) if row[2] == "error:ZeroDivisionError"]
    assert spoilt == [40, 41, 42, 43, 44, 59]


def test_quarantine_begins_at_the_same_bar_in_a_block_and_bar_by_bar(caller):
    def make():
        return caller(signals_of(spoilt))

    def spoilt(bars):
        return None if len(bars) in (33, 36, 40, N) else good(bars)

    block = rows(make().block(BARS, 30))
    assert block == by_bar(make, BARS, 30)
    assert block[9] == ("hold", 0.0, "error:PluginJunk")
    assert {row[2] for row in block[10:]} == {"error:PluginQuarantined"}


@settings(max_examples=80, deadline=None)
@given(
    spoilt=st.dictionaries(st.integers(0, N - 1), st.sampled_from(("raise", "nan", "none")), max_size=4),
    first=st.integers(0, N - 1),
)
@pytest.mark.parametrize("make", [signals_of, generate_of])
def test_whatever_goes_wrong_where_a_block_equals_bar_by_bar(make, spoilt, first):
    def signals(bars):
        """Answer NaN at some bars; raise or answer nothing for every window that holds some others."""
        seen = [how for k, how in sorted(spoilt.items()) if k < len(bars)]
        answer = good(bars)
        answer.confidence[[k for k, how in spoilt.items() if how == "nan" and k < len(bars)]] = np.nan
        if "raise" in seen:
            raise LookupError
        return None if "none" in seen else answer

    def generate(md):
        how = spoilt.get(len(md) - 1)
        if how == "raise":
            raise LookupError
        answers = {"none": None, "nan": Decision("buy", float("nan"), "x")}
        return answers.get(how, good(md.bars).row(len(md) - 1))

    def made():
        bound = Host(Kind.STRATEGY).register(RECORD, make(signals if make is signals_of else generate))
        return StrategyCaller(bound, "BTC/USDT")

    assert rows(made().block(BARS, first)) == by_bar(made, BARS, first)


def test_a_released_strategy_is_asked_again(caller):
    tried = caller(signals_of(lambda bars: None))
    tried.block(BARS, 50)
    assert tried.strikes.quarantined
    tried.strikes.release()
    assert rows(tried.last(BARS))[0][2] == "error:PluginJunk"


@pytest.mark.catalogue(94)
def test_a_hanging_strategy_holds_and_is_quarantined_and_the_others_answer(bind):
    def hangs(bars):
        while True:
            try:
                time.sleep(5)
            except Exception:  # noqa: BLE001 - the mistake that is tested
                continue

    strategies = [
        bind(Kind.STRATEGY, signals_of(f), n) for n, f in (("aa", good), ("bb", hangs), ("cc", good))
    ]
    panel = StrategyPanel.of(strategies, "BTC/USDT", budget_s=0.05)
    began = time.perf_counter()
    first, hung, third = panel.block(BARS, 30)
    assert time.perf_counter() - began < 2.0
    assert rows(first) == rows(third) == rows(good(BARS))[30:]
    assert [row[2] for row in rows(hung)[:4]] == ["error:PluginTimeout"] * 3 + ["error:PluginQuarantined"]
    assert [row[2] for row in rows(panel.last(BARS)[1])] == ["error:PluginQuarantined"]


@pytest.mark.parametrize(
    ("answer", "row"),
    [
        (lambda md: Decision("buy", 0.8, "up"), ("buy", 0.8, "up")),
        (lambda md: Decision("sell", 1, "down"), ("sell", 1.0, "down")),
        (lambda md: Decision("buy", reason="up"), ("buy", 0.5, "up")),
        (lambda md: Decision("buy", None, "up"), ("buy", 0.5, "up")),
        (lambda md: Decision("hold"), ("hold", 0.0, "no_reason")),
        (lambda md: None, ("hold", 0.0, "error:PluginJunk")),
        (lambda md: "BUY", ("hold", 0.0, "error:PluginJunk")),
        (lambda md: Decision("BUY", 0.8, "x"), ("hold", 0.0, "error:PluginJunk")),
        (lambda md: Decision([], 0.8, "x"), ("hold", 0.0, "error:PluginJunk")),
        (lambda md: Decision("buy", 1.7, "x"), ("hold", 0.0, "error:PluginJunk")),
        (lambda md: Decision("buy", float("nan"), "x"), ("hold", 0.0, "error:PluginJunk")),
        (lambda md: Decision("buy", "0.8", "x"), ("hold", 0.0, "error:PluginJunk")),
        (lambda md: Decision("hold", 0.8, "x"), ("hold", 0.0, "error:PluginJunk")),
        (lambda md: Decision("buy", 0.8, 7), ("hold", 0.0, "error:PluginJunk")),
        (lambda md: Decision("buy", 0.8, "x", {"a": "text"}), ("hold", 0.0, "error:PluginJunk")),
        (lambda md: Decision("buy", 0.8, "x", None), ("hold", 0.0, "error:PluginJunk")),
        (lambda md: 1 / 0, ("hold", 0.0, "error:ZeroDivisionError")),
    ],
)
def test_each_decision_of_a_bar_by_bar_strategy_is_judged(caller, answer, row):
    assert rows(caller(generate_of(answer)).last(BARS)) == [row]


def test_data_of_decisions_becomes_columns(caller):
    def answer(md):
        return Decision("hold", 0.0, "x", {"n": len(md)} if len(md) % 2 else {})

    block = caller(generate_of(answer)).block(BARS, 56)
    assert [block.row(k).data for k in range(4)] == [{"n": 57.0}, {}, {"n": 59.0}, {}]


@pytest.mark.parametrize("wait", [lambda: asyncio.sleep(0), lambda: asyncio.sleep(1)])
async def test_an_async_strategy_that_waits_is_named_also_inside_a_loop(caller, wait):
    class Waits(Strategy):
        def warmup_bars(self):
            return 1

        @hookimpl
        async def generate(self, md, ctx):
            await wait()
            return Decision("hold")

    tried = caller(Waits())
    assert rows(tried.last(BARS)) == [("hold", 0.0, "error:PluginWaits")]
    outside = await asyncio.to_thread(lambda: rows(tried.last(BARS)))
    assert outside == [("hold", 0.0, "error:PluginWaits")]


@pytest.mark.catalogue(102)
def test_bars_cannot_be_changed(caller):
    def cheats(bars):
        bars.close[0] = 1.0
        return good(bars)

    assert rows(caller(signals_of(cheats)).last(BARS))[0][2] == "error:ValueError"


def test_judging_a_block_is_cheap():
    signals, best = good(sample_bars(1000)), 1.0
    for _ in range(200):
        began = time.perf_counter()
        check_signals(signals, 1000, 500)
        best = min(best, time.perf_counter() - began)
    assert best < 60e-6
