"""Skipping quiet bars changes nothing: replay against a walk over every candle and every row."""

from __future__ import annotations

import heapq
from collections import deque
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path

import attrs
import numpy as np
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from cab_core.app.config import judge_of, plugins_for
from cab_core.cycle.backtest import Backtest
from cab_core.cycle.config import CycleConfig
from cab_core.cycle.fills import fill_orders
from cab_core.cycle.market import bid_candle
from cab_core.cycle.reasons import Reasons
from cab_core.cycle.records import OrderRecord
from cab_core.cycle.trader import Trader
from cab_core.data.generator import generate
from cab_core.domain.aggregation import AggregationSettings
from cab_core.domain.book import Book
from cab_core.domain.booking import AppliedTo
from cab_core.domain.candles import prepare
from cab_core.domain.exit_rules import ExitRules
from cab_core.domain.market import Instrument, Quote
from cab_core.domain.money import to_decimal
from cab_core.domain.orders import Purpose
from cab_core.domain.risk import Verdict, VerdictKind
from cab_core.domain.signals import Signals
from cab_core.domain.timeframes import TF_MS
from cab_core.domain.trend import TrendSettings
from cab_core.settings import load_settings

SYMBOLS = ("BTC/USDT", "ETH/USDT")
WALK, SNAPSHOT, EVALUATE = range(3)


class Dice:
    """A panel of one strategy that rolls a die for each bar: any sequence of signals may occur."""

    def __init__(self, symbol, seed, buys, sells):
        self.salt = np.uint64(seed * 7919 + len(symbol) + ord(symbol[0]))
        self.buys, self.sells = buys, sells

    def block(self, bars, first):
        mixed = (bars.ts_ms[first:].astype(np.uint64) // np.uint64(TF_MS) + self.salt) * np.uint64(
            0x9E3779B97F4A7C15
        )
        rolled = (mixed ^ (mixed >> np.uint64(29))) >> np.uint64(40)
        share = rolled / float(1 << 24)
        action = (share < self.buys).astype(np.int8) - (share > 1 - self.sells).astype(np.int8)
        return [Signals(action, abs(action).astype(float), abs(action).astype(np.int16), ("quiet", "rolled"))]


@attrs.define
class Walked:
    """What the walk over every bar did."""

    orders: list = attrs.field(factory=list)
    equity: dict = attrs.field(factory=dict)
    cycles: dict = attrs.field(factory=dict)


class EveryBar:
    """The slow way: each candle is walked, each row evaluated, each close valued."""

    def __init__(self, backtest, config):
        self.config, self.series, self.reasons = (
            config,
            backtest.series,
            Reasons(config.aggregation.names),
        )
        decided = backtest.decide(self.reasons, bar_by_bar=True)
        self.columns = {symbol: decided[symbol].columns for symbol in config.symbols}
        self.book = Book(config.baseline, config.instruments)
        self.trader = Trader(
            config,
            self.book,
            backtest.judge,
            lambda symbol, now_ms: decided[symbol].higher.hourly_returns(now_ms),
        )
        self.regime_at = backtest.timeline.cursor(config.regime).advance
        self.spreads = {symbol: deque(maxlen=100) for symbol in config.symbols}
        self.rests = {}  # by symbol: what a signal exit has not sold yet
        self.seen = Walked(cycles={symbol: [] for symbol in config.symbols})

    def run(self):
        events = []
        for index, symbol in enumerate(self.config.symbols):
            bars = self.series[symbol].bars
            for row, ts_ms in enumerate(bars.ts_ms.tolist()):
                close_ms = ts_ms + TF_MS
                if not bars.synthetic[row]:
                    events.append((close_ms, SNAPSHOT, 0, 0))
                    events.append((close_ms - 1, WALK, index, row))
                    events.append((close_ms + self.config.grace_ms, EVALUATE, index, row))
        events = sorted(set(events))
        while events:
            now_ms, what, index, row = heapq.heappop(events)
            symbol = self.config.symbols[index]
            if what == SNAPSHOT:
                self.value_at_close(now_ms)
            elif what == WALK:
                self.walk(symbol, index, row, now_ms)
            elif not self.evaluate(symbol, row, now_ms):
                heapq.heappush(events, (now_ms + self.config.retry_ms, EVALUATE, index, row))
        return self.seen

    def newest(self, symbol, at_ms):
        return int(np.searchsorted(self.series[symbol].bars.ts_ms, at_ms - TF_MS, side="right")) - 1

    def opened(self, symbol, at_ms):
        """The price that the candle under way at a time opened at; None where there is no candle."""
        bars = self.series[symbol].bars
        for row in np.flatnonzero(bars.ts_ms == at_ms // TF_MS * TF_MS):
            return None if bars.synthetic[row] else bars.open[row]
        return None

    def mark(self, symbol, price):
        if symbol in self.book.positions:
            self.book.mark(symbol, self.config.costs.bid(to_decimal(price)))

    def value_at_close(self, close_ms):
        for symbol in self.config.symbols:
            row = self.newest(symbol, close_ms)
            if row >= 0:
                self.mark(symbol, self.series[symbol].bars.close[row])
        self.book.snapshot()
        self.seen.equity[close_ms] = self.book.equity()

    def value_after_close(self, now_ms):
        for symbol in self.config.symbols:
            at, opened = self.newest(symbol, now_ms), self.opened(symbol, now_ms)
            if at >= 0:
                self.mark(symbol, self.series[symbol].bars.close[at] if opened is None else opened)

    def quote(self, symbol, now_ms):
        opened = self.opened(symbol, now_ms)
        if opened is None:
            return Quote(None, None, now_ms)
        return self.config.costs.quote(to_decimal(opened), now_ms)

    def walk(self, symbol, index, row, now_ms):
        bars = self.series[symbol].bars
        close_ms = int(bars.ts_ms[row]) + TF_MS
        for other, name in enumerate(self.config.symbols):
            theirs = self.series[name].bars
            if name == symbol:
                continue
            at = self.newest(name, close_ms)
            over = at >= 0 and int(theirs.ts_ms[at]) + TF_MS == close_ms and not theirs.synthetic[at]
            if other < index and over:  # has walked its candle to the close already
                self.mark(name, theirs.close[at])
            elif at >= 0:
                opened = self.opened(name, close_ms - 1)
                self.mark(name, theirs.close[self.newest(name, close_ms - 1)] if opened is None else opened)
        candle = bid_candle(bars, row, self.config.costs)
        self.sell_rest(symbol, candle.open, now_ms)
        for planned in self.trader.walk(symbol, candle, self.trace_id(index, row), now_ms):
            bid = planned.intent.reference
            self.execute(symbol, planned, Quote(bid, self.config.costs.ask_of_bid(bid), now_ms), now_ms)
        self.book.mark(symbol, candle.close)  # dust, too, stands where its symbol has walked to

    def sell_rest(self, symbol, bid, now_ms):
        """Make what of a signal exit has waited where a candle opens; what it leaves again waits again."""
        planned = self.rests.pop(symbol, None)
        if planned is not None:
            intent = attrs.evolve(planned.intent, reference=bid)
            quote = Quote(bid, self.config.costs.ask_of_bid(bid), now_ms)
            self.execute(symbol, attrs.evolve(planned, intent=intent), quote, now_ms)

    def evaluate(self, symbol, row, now_ms):
        """Take a row through position rule, risk and execution; False to be asked again."""
        self.value_after_close(now_ms)
        bars, columns = self.series[symbol].bars, self.columns[symbol]
        quote = self.quote(symbol, now_ms)
        action, reason = int(columns.action[row]), self.reasons.text(int(columns.reason[row]))
        index, long = self.config.symbols.index(symbol), symbol in self.book.positions
        ordered = 0
        if action < 0 and symbol in self.rests:
            reason = "already_exiting"
        elif action < 0 and long:
            planned = self.trader.signal_sell(symbol, quote, reason, self.trace_id(index, row), now_ms)
            ordered, reason = (-1, reason) if planned else (0, "dust")
            if planned:
                self.sell(symbol, planned, quote, now_ms)
        elif action < 0:
            reason = "sell_no_position"
        elif action > 0 and long:
            reason = "already_long"
        elif action > 0:
            ruling = self.trader.rule_on_buy(
                symbol, quote, self.regime_at(now_ms), now_ms, tuple(self.spreads[symbol])
            )
            signal_ends_ms = int(bars.ts_ms[row]) + TF_MS + self.config.ttl_ms
            if ruling.delayed and now_ms + self.config.retry_ms < signal_ends_ms:
                return False
            if ruling.reason is None:
                votes = self.config.aggregation.names
                why = AppliedTo(
                    Purpose.ENTRY,
                    reason,
                    self.trace_id(index, row),
                    rules=self.config.exits,
                    votes=votes,
                )
                planned = self.trader.entry(symbol, ruling, quote, int(bars.ts_ms[row]), now_ms, why)
                refused = self.execute(symbol, planned, quote, now_ms)
                ordered, reason = (1, reason) if refused is None else (0, refused)
            else:
                reason = ruling.reason
        if quote.bid is not None:
            self.spreads[symbol].append(float(quote.spread_pct))
        self.seen.cycles[symbol].append((int(bars.ts_ms[row]), ordered, reason))
        return True

    def sell(self, symbol, planned, quote, now_ms):
        if quote.bid is None:
            self.rests[symbol] = through_hole(planned)
        else:
            self.execute(symbol, planned, quote, now_ms)

    def execute(self, symbol, planned, quote, now_ms):
        self.book.mark(symbol, quote.bid)
        refused = None
        for intent, fills, refusal in fill_orders(planned.intent, quote, self.config, now_ms):
            refused = refusal
            self.seen.orders.append(OrderRecord(intent, fills))
            for fill in fills:
                self.trader.settle(fill, planned.context)
                if intent.purpose is Purpose.SIGNAL_SELL:
                    self.keep_rest(symbol, planned, intent, fill)
            if fills and symbol not in self.book.positions:
                break  # what is left is dust
        if refused:
            self.trader.leave_small(symbol, now_ms)
        if symbol not in self.book.positions:  # no rest may sell what is bought next
            self.rests.pop(symbol, None)
        return refused

    def keep_rest(self, symbol, planned, sent, fill):
        self.rests.pop(symbol, None)
        if left := sent.quantity - fill.quantity:
            following = attrs.evolve(sent, attempt=sent.attempt + 1, quantity=left)
            rest = attrs.evolve(planned, intent=following)
            self.rests[symbol] = through_hole(rest) if self.opened(symbol, fill.ts_ms + 1) is None else rest

    def trace_id(self, index, row):
        return f"000000{index:02x}{row:08x}"


def through_hole(planned):
    reason = planned.context.reason.removesuffix("_gap") + "_gap"
    return attrs.evolve(planned, context=attrs.evolve(planned.context, reason=reason))


def market_of(seed, days, cuts):
    """Two made-up histories; each cut takes some candles out of one of them: short holes and long ones."""
    series = {}
    for place, symbol in enumerate(SYMBOLS):
        bars = generate(symbol, days, seed)
        kept = np.ones(len(bars), np.bool_)
        for at, length in cuts[place::2]:
            kept[1 + int(at * (len(bars) - 2)) :][:length] = False
        series[symbol] = prepare(bars.take(kept))
    return series


def config_of(best, partial):
    return CycleConfig(
        aggregation=AggregationSettings(("dice",)),
        trend=TrendSettings(unknown_blocks=False),
        volume_min_ratio=0.3,
        exits=ExitRules(
            stop_loss=Decimal("0.008"),
            trailing=Decimal("0.004"),
            tp1=Decimal("0.006"),
            tp2=Decimal("0.012"),
        ),
        instruments={symbol: Instrument(symbol) for symbol in SYMBOLS},
        best_fills=best,
        partial_fill_prob=partial,
    )


class Impatient:
    """The installed rules, and one that lets entries wait at some instants, so that they are tried again.

    What rules were shown is kept: a book that stands differently is found even where no rule minds.
    """

    def __init__(self, judge):
        self.judge, self.shown = judge, []

    def __call__(self, entry, book):
        self.shown.append((entry, attrs.evolve(book, hourly_returns=None)))
        waits = entry.now_ms // 15_000 % 5 < 2
        verdict = Verdict(VerdictKind.DELAY, 0.0, "not_now") if waits else Verdict(VerdictKind.ALLOW)
        return [*self.judge(entry, book), ("patience", verdict)]


def judge(*overrides):
    settled = load_settings({}, Path("/nonexistent"), overrides, require_run=False).settings
    return judge_of(plugins_for(settled, {}))


RULES = {"all": judge(), "no_streak": judge("RISK_DISABLED_RULES=loss_streak")}


def first_difference(ours, theirs):
    return next((pair for pair in zip_longest(ours, theirs) if pair[0] != pair[1]), None)


cuts = st.lists(st.tuples(st.floats(0, 1), st.sampled_from([1, 2, 3, 4, 30])), max_size=6)


@given(
    seed=st.integers(0, 10_000),
    buys=st.sampled_from([0.01, 0.1, 0.4]),
    sells=st.sampled_from([0.0, 0.01, 0.1]),
    cuts=cuts,
    best=st.booleans(),
    partial=st.sampled_from([0.0, 0.3, 0.9]),  # the last leaves rests of exits that wait
    rules=st.sampled_from(sorted(RULES)),
)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes minutes and explains little
)
@example(seed=3, buys=0.4, sells=0.1, cuts=[], best=False, partial=0.9, rules="no_streak")  # rests wait
@example(  # as many candles, filled ones among them, as there are times: but not at these times
    seed=3,
    buys=0.1,
    sells=0.1,
    cuts=[(0.37, 2), (0.95, 2), (1.0, 3), (0.86, 1), (0.95, 1), (0.4, 1)],
    best=False,
    partial=0.0,
    rules="all",
)
def test_replay_does_what_a_walk_over_every_bar_does(seed, buys, sells, cuts, best, partial, rules):
    config = config_of(best, partial)
    backtest = Backtest(
        config=config,
        series=market_of(seed, 6, cuts),
        panels=lambda symbol: Dice(symbol, seed, buys, sells),
        judge=Impatient(RULES[rules]),
    )
    slow = EveryBar(backtest, config)
    walked = slow.run()
    shown_to_slow, backtest.judge.shown = backtest.judge.shown, []
    finished = backtest.execute()
    result = finished.result

    assert first_difference(result.orders, walked.orders) is None
    assert first_difference(result.trades, slow.book.trades) is None
    assert result.final_equity == slow.book.equity()
    assert finished.trader.book.peak == slow.book.peak
    assert finished.trader.halts == slow.trader.halts
    assert first_difference(backtest.judge.shown, shown_to_slow) is None
    np.testing.assert_allclose(
        result.equity, [float(walked.equity[t]) for t in result.times.tolist()], rtol=1e-12
    )
    for tape in finished.tapes:
        cycles = [
            (int(tape.bars.ts_ms[row]), int(tape.ordered[row]), finished.reasons.text(int(tape.final[row])))
            for row in np.flatnonzero(tape.decided_rows())
        ]
        assert first_difference(cycles, walked.cycles[tape.symbol]) is None


def test_the_dice_make_something_happen():
    config = config_of(best=False, partial=0.3)
    backtest = Backtest(
        config=config,
        series=market_of(3, 6, [(0.5, 3), (0.3, 30)]),
        panels=lambda symbol: Dice(symbol, 3, 0.2, 0.01),
        judge=Impatient(RULES["no_streak"]),
    )
    result = backtest.execute().result
    assert len(result.trades) > 20
    assert {"stop_loss", "take_profit_1", "trailing_stop"} <= set(result.exits_by_reason)
