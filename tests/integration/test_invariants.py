"""Invariants of whole runs over random markets, from the fills alone (numbers as in the catalogue)."""

from __future__ import annotations

from collections import defaultdict, deque
from decimal import Decimal
from pathlib import Path

import attrs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cab_core.app.config import cycle_config, judge_of, panels_of, plugins_for
from cab_core.cycle.backtest import Backtest, Finished
from cab_core.data.generator import START_MS, generate
from cab_core.domain.bars import Bars
from cab_core.domain.candles import prepare
from cab_core.domain.limits import limit_use
from cab_core.domain.orders import Fill, Side
from cab_core.domain.regime import Reading, ReadingKind
from cab_core.domain.regime_timeline import RegimeTimeline, ScriptedReading
from cab_core.domain.timeframes import DAY_MS, TF_MS
from cab_core.settings import load_settings

DAYS = 9
BASELINE = Decimal(10_000)
AMOUNT = Decimal(50)
STRATEGIES = "ema_atr,bollinger_bands,donchian_breakout,supertrend,vwap_reversion"


def backtest(bars: dict[str, Bars], timeline: RegimeTimeline | None = None, **options: object) -> Backtest:
    overrides = [f"STRATEGY_SET={STRATEGIES}", "VOLUME_FILTER_ENABLED=false", "TREND_UNKNOWN_POLICY=allow"]
    overrides += [f"{name}={value}" for name, value in options.items()]
    loaded = load_settings({}, Path("/nonexistent"), overrides, require_run=False).settings
    plugins = plugins_for(loaded, {})
    return Backtest(
        config=cycle_config(loaded, [bound.name for bound in plugins.strategies], list(bars)),
        series={symbol: prepare(columns) for symbol, columns in bars.items()},
        panels=panels_of(plugins),
        judge=judge_of(plugins),
        timeline=timeline or RegimeTimeline(),
    )


def regimes(levels: list[float]) -> RegimeTimeline:
    """Return a script in which the dollar index changes by the next of ``levels`` every 6 hours."""
    step = 6 * 3_600_000
    readings = [
        ScriptedReading(START_MS + i * step, "dxy", Reading(ReadingKind.CHANGE, levels[i % len(levels)]))
        for i in range(DAYS * 4)
    ]
    return RegimeTimeline(tuple(readings))


markets = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 10_000),
        "mode": st.sampled_from(["first", "vote", "weighted"]),
        "stop": st.sampled_from(["0.6", "1.5", "5.0"]),
        "partial": st.sampled_from(["0", "0.4"]),
        "levels": st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.2, 0.36, 0.9]), min_size=1, max_size=12),
    }
)

whole_runs = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def run(case: dict[str, object]) -> Finished:
    bars = {symbol: generate(symbol, DAYS, int(case["seed"])) for symbol in ("BTC/USDT", "ETH/USDT")}
    return backtest(
        bars,
        regimes(case["levels"]),
        STRATEGY_MODE=case["mode"],
        STOP_LOSS_PCT=case["stop"],
        TAKE_PROFIT_1_PCT="0.5",
        TAKE_PROFIT_2_PCT="1.0",
        TRAILING_STOP_PCT="0.4",
        PAPER_PARTIAL_FILL_PROB=case["partial"],
        RISK_LOSS_STREAK_COUNT=40,
    ).execute()


def fills_of(finished: Finished) -> list[Fill]:
    return [fill for order in finished.result.orders for fill in order.fills]


class Oracle:
    """First in, first out, told another way: a queue of single units of quantity with their unit cost."""

    def __init__(self) -> None:
        self.queue: dict[str, deque[list[Decimal]]] = defaultdict(deque)
        self.realized = Decimal(0)
        self.cash = BASELINE
        self.by_day: dict[int, Decimal] = defaultdict(Decimal)

    def take(self, fill: Fill) -> None:
        value = fill.quantity * fill.price
        if fill.side is Side.BUY:
            self.cash -= value
            self.queue[fill.symbol].append([fill.quantity - fill.fee, value])
            return
        self.cash += value - fill.fee
        left, basis = fill.quantity, Decimal(0)
        while left:
            lot = self.queue[fill.symbol][0]
            taken = min(left, lot[0])
            cost = lot[1] if taken == lot[0] else lot[1] * taken / lot[0]
            basis += cost
            lot[0] -= taken
            lot[1] -= cost
            left -= taken
            if not lot[0]:
                self.queue[fill.symbol].popleft()
        self.realized += value - fill.fee - basis
        self.by_day[fill.ts_ms // DAY_MS] += value - fill.fee - basis

    def held(self, symbol: str) -> Decimal:
        return sum((lot[0] for lot in self.queue[symbol]), Decimal(0))


@given(markets)
@whole_runs
def test_i5_never_sells_more_than_it_holds_and_i13_profits_equal_an_oracle(case):
    finished = run(case)
    oracle = Oracle()
    for fill in fills_of(finished):
        if fill.side is Side.SELL:
            assert fill.quantity <= oracle.held(fill.symbol)
        oracle.take(fill)
    book = finished.trader.book
    assert abs(book.realized - oracle.realized) <= Decimal("1e-18")
    assert abs(book.quote_free - oracle.cash) <= Decimal("1e-18")
    held = {symbol: book.ledger.held(symbol).quantity for symbol in finished.result.symbols}
    assert held == {symbol: oracle.held(symbol) for symbol in held}


@given(markets)
@whole_runs
def test_i6_one_entry_per_closed_candle_within_its_size(case):
    finished = run(case)
    timeline = regimes(case["levels"])
    entries = [order.intent for order in finished.result.orders if order.intent.side is Side.BUY]
    candles = [(intent.symbol, intent.key.rpartition("|")[2]) for intent in entries]
    assert len(candles) == len(set(candles))
    cursor = timeline.cursor(finished.trader.config.regime)
    for order in finished.result.orders:
        intent = order.intent
        if intent.side is Side.BUY:
            assert intent.cost is not None
            assert intent.cost <= AMOUNT * cursor.advance(intent.created_ms).state.multiplier
            assert sum((fill.value for fill in order.fills), Decimal(0)) <= intent.cost


@given(markets)
@whole_runs
def test_i10_the_stop_never_falls_and_i22_numbers_are_quantized_decimals(case):
    finished = run(case)
    for trade in finished.result.trades:
        assert trade.levels is not None
        sold_half = False
        for exit_fill in trade.exits:
            sold_half = sold_half or exit_fill.reason == "take_profit_1"
            if exit_fill.reason == "stop_loss":
                assert not sold_half
            if exit_fill.reason in {"breakeven", "trailing_stop"}:
                assert sold_half
                assert exit_fill.price >= trade.levels.breakeven * Decimal("0.9994")  # slippage 0.05 %
    for fill in fills_of(finished):
        assert all(isinstance(x, Decimal) and x.is_finite() for x in (fill.quantity, fill.price, fill.fee))
        assert fill.quantity % finished.trader.config.instruments[fill.symbol].amount_step == 0


@given(markets)
@whole_runs
def test_i25_counters_are_functions_of_the_fills(case):
    finished = run(case)
    book = finished.trader.book
    oracle = Oracle()
    for fill in fills_of(finished):
        oracle.take(fill)
    last_ms = int(finished.result.times[-1])
    today = oracle.by_day[last_ms // DAY_MS]
    used = limit_use(book, {}, last_ms)
    assert abs(used["daily_loss"] - max(Decimal(0), -(today + min(Decimal(0), book.unrealized())))) < Decimal(
        "1e-18"
    )
    losses = 0
    for trade in reversed(finished.result.trades):
        if trade.pnl >= 0:
            break
        losses += 1
    assert used["loss_streak"] == losses or losses > 50  # the book shows rules the last 50 round trips


@pytest.mark.parametrize("mode", ["first", "vote", "weighted"])
def test_the_random_markets_are_worth_checking(mode):
    levels = [0.0, 0.0, 0.36, 0.9]
    finished = run({"seed": 4, "mode": mode, "stop": "0.6", "partial": "0.4", "levels": levels})
    reasons = finished.result.exits_by_reason
    assert len(finished.result.trades) > 20
    assert {"stop_loss", "take_profit_1", "signal_sell"} <= reasons.keys()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_i21_decisions_use_closed_candles_only(seed):
    """Rewriting everything after a candle changes no decision up to it, and no fill before its close."""
    bars = generate("BTC/USDT", DAYS, seed)
    cut = 600
    rng = np.random.default_rng(seed)
    factor = np.where(np.arange(len(bars)) > cut, rng.uniform(0.5, 1.5, len(bars)), 1.0)
    changed = attrs.evolve(
        bars,
        open=bars.open * factor,
        high=bars.high * factor,
        low=bars.low * factor,
        close=bars.close * factor,
        volume=bars.volume * factor,
    )
    first, second = (backtest({"BTC/USDT": b}, STRATEGY_MODE="vote").execute() for b in (bars, changed))
    for name in ("action", "confidence"):
        before, after = (getattr(f.tapes[0].columns, name)[: cut + 1] for f in (first, second))
        assert before.tobytes() == after.tobytes()
    until_ms = int(bars.ts_ms[cut]) + TF_MS

    def early(finished: Finished) -> list[Fill]:
        return [fill for fill in fills_of(finished) if fill.ts_ms < until_ms]

    assert early(first) == early(second)
    assert early(first)
