"""One market through both shells: what the paper session did, beside what the replay says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import numpy as np
import pytest

from cab_core.app.config import cycle_config, judge_of, panels_of, plugins_for
from cab_core.app.paper import PaperSetup
from cab_core.bus.memory import MemoryBus
from cab_core.cycle.backtest import Backtest, Finished
from cab_core.cycle.config import CycleConfig
from cab_core.cycle.records import OrderRecord
from cab_core.cycle.results import Decided, hash_decisions
from cab_core.data.generator import START_MS, generate
from cab_core.domain.bars import Bars
from cab_core.domain.book import Book
from cab_core.domain.candles import Series, prepare
from cab_core.domain.orders import Purpose
from cab_core.domain.regime import Reading, ReadingKind
from cab_core.domain.regime_timeline import RegimeTimeline, ScriptedReading
from cab_core.domain.risk import Halts
from cab_core.domain.timeframes import DAY_MS
from cab_core.plugins.kinds import Kind
from cab_core.ports import Cycle
from cab_core.settings import load_settings
from cab_core.storage import PaperState, Store
from cab_core.storage.records import Records

NINE = (
    "ema_atr,ema_cross,rsi_momentum,bollinger_bands,donchian_breakout,"
    "supertrend,stochastic_adx,keltner_squeeze,vwap_reversion"
)
_ORDERED = {"buy": 1, "sell": -1, "hold": 0}


@attrs.frozen
class Paper:
    """What a paper session left behind."""

    book: Book
    orders: Sequence[OrderRecord]
    cycles: Mapping[str, list[Cycle]]
    failures: Mapping[tuple[str, str], int]
    halts: Halts

    def decisions_sha256(self) -> str:
        """Hash the recorded cycles as a backtest hashes its own."""
        digest = hashlib.sha256()
        for symbol, cycles in self.cycles.items():
            decided = [
                Decided(c.candle_ts_ms, _ORDERED[c.action], c.trace["aggregate"]["confidence"], c.reason)
                for c in cycles
            ]
            digest.update(hash_decisions(symbol, decided))
        return digest.hexdigest()


@attrs.define
class Shells:
    """Both shells over one market and one set of settings."""

    series: Mapping[str, Series]
    overrides: Sequence[str]
    timeline: RegimeTimeline = attrs.field(factory=RegimeTimeline)

    def parts(self):
        settings = load_settings({}, Path("/nonexistent"), self.overrides, require_run=False).settings
        plugins = plugins_for(settings, {Kind.BROKER: ["paper"]})
        config = cycle_config(settings, [bound.name for bound in plugins.strategies], list(self.series))
        return config, plugins

    def replay(self, config: CycleConfig | None = None, **how) -> Finished:
        """Run the backtest."""
        settled, plugins = self.parts()
        config = config or settled
        backtest = Backtest(
            config=config,
            series=self.series,
            panels=panels_of(plugins),
            judge=judge_of(plugins),
            timeline=self.timeline,
        )
        return backtest.execute(**how)

    async def paper(self, database: Path) -> Paper:
        """Run (or continue) the paper session on a virtual clock, with a real database."""
        config, plugins = self.parts()
        orders: list[OrderRecord] = []
        cycles: dict[str, list[Cycle]] = {symbol: [] for symbol in config.symbols}
        store = await Store.open(database)
        bus = MemoryBus()
        try:
            setup = PaperSetup(
                config=config,
                plugins=plugins,
                series=self.series,
                storage=Records(store, "paper"),
                bus=bus,
                state=PaperState(store),
                timeline=self.timeline,
                on_order=orders.append,
                on_cycle=lambda cycle: cycles[cycle.symbol].append(cycle),
            )
            session = await setup.open()
            await session.orchestrator.run()
            failures = session.orchestrator.supervisor.failures
            return Paper(session.trader.book, orders, cycles, failures, session.trader.halts)
        finally:
            await bus.close()
            await store.close()


TIGHT = ("STOP_LOSS_PCT=1.2", "TAKE_PROFIT_1_PCT=0.8", "TAKE_PROFIT_2_PCT=1.5", "TRAILING_STOP_PCT=0.7")
VOTE = (f"STRATEGY_SET={NINE}", "STRATEGY_MODE=vote")


def market(*symbols: str, days: int = 25, seed: int = 11) -> dict[str, Series]:
    return {symbol: prepare(generate(symbol, days, seed)) for symbol in symbols}


def with_holes(bars: Bars) -> Bars:
    """Take out a short hole, a long one, and a single bar."""
    kept = np.ones(len(bars), np.bool_)
    kept[[300, 301, 302, 700]] = False
    kept[900:930] = False
    return bars.take(kept)


def holed(days: int, seed: int) -> dict[str, Series]:
    """Two symbols, each with holes of its own every few hours: short and long, apart and at the same time."""
    series = {}
    for place, symbol in enumerate(("BTC/USDT", "ETH/USDT")):
        bars = generate(symbol, days, seed)
        drawn = np.random.default_rng(seed * 2 + place)
        kept = np.ones(len(bars), np.bool_)
        for start in range(200, len(bars) - 40, 12):
            at = start + int(drawn.integers(0, 6))
            kept[at : at + int(drawn.choice([1, 2, 3, 12]))] = False
        series[symbol] = prepare(bars.take(kept))
    return series


def macro_script() -> RegimeTimeline:
    """Return readings that lead through all four regimes within the sample month."""
    hour = 3_600_000
    changes = [(60, "dxy", 0.0), (120, "dxy", 0.36), (200, "btc_dominance", 0.7), (260, "dxy", 1.0)]
    changes += [(330, "btc_dominance", 0.0), (380, "dxy", 0.0)]
    return RegimeTimeline(
        tuple(
            ScriptedReading(START_MS + h * hour, source, Reading(ReadingKind.CHANGE, value))
            for h, source, value in changes
        )
    )


def facts(orders: Sequence[OrderRecord]) -> list[tuple[object, ...]]:
    """Return what an order and its fills are, without the ids that differ from run to run."""
    return [
        (
            order.intent.client_id,
            order.intent.purpose,
            order.intent.reason,
            order.intent.cost,
            order.intent.quantity,
            order.intent.reference,
            order.intent.created_ms,
            order.fills,
        )
        for order in orders
    ]


def trades_of(book: Book) -> list[dict[str, object]]:
    return [{**attrs.asdict(trade, recurse=False), "trace_id": None} for trade in book.trades]


def assert_equal(paper: Paper, finished: Finished) -> None:
    replayed = finished.trader.book
    assert paper.failures == {}
    assert facts(paper.orders) == facts(finished.result.orders)
    assert paper.decisions_sha256() == finished.result.decisions_sha256
    assert trades_of(paper.book) == trades_of(replayed)
    assert (paper.book.equity(), paper.book.peak, paper.book.quote_free, paper.book.realized) == (
        replayed.equity(),
        replayed.peak,
        replayed.quote_free,
        replayed.realized,
    )
    assert paper.book.realized_by_day == replayed.realized_by_day
    assert paper.book.dust() == replayed.dust()


async def test_a_recorded_paper_run_replays_to_the_last_digit(tmp_path):
    shells = Shells(market("BTC/USDT"), (*VOTE, *TIGHT), macro_script())
    paper = await shells.paper(tmp_path / "paper.sqlite3")
    finished = shells.replay()
    assert finished.result.cycles >= 2_000
    assert len(finished.result.trades) >= 10
    assert {
        "stop_loss",
        "take_profit_1",
        "take_profit_2",
        "signal_sell",
    } <= finished.result.exits_by_reason.keys()
    assert {"regime_neutral", "regime_risk_off"} <= finished.result.blocked.keys()
    assert_equal(paper, finished)


@pytest.mark.parametrize("probability", ["0.5", "1"])
@pytest.mark.parametrize(("holes", "seed"), [(False, 14), (True, 14), (True, 5), (True, 13)])
async def test_orders_that_fill_in_part_fill_alike(tmp_path, probability, holes, seed):
    """What is left after five attempts is still protected, and sold where the next candle opens."""
    series = market("BTC/USDT", days=12, seed=seed)
    if holes:
        series = {"BTC/USDT": prepare(with_holes(series["BTC/USDT"].bars))}
    shells = Shells(series, (*VOTE, *TIGHT, f"PAPER_PARTIAL_FILL_PROB={probability}", "FIXED_AMOUNT=3000"))
    finished = shells.replay()
    kinds = [order.intent.purpose for order in finished.result.orders]
    assert Purpose.SIGNAL_SELL in kinds
    assert max(order.intent.attempt for order in finished.result.orders) >= 5
    assert_equal(await shells.paper(tmp_path / "paper.sqlite3"), finished)


@pytest.mark.parametrize("partial", ["0", "0.7"])
async def test_a_halt_that_sells_everything_does_so_alike(tmp_path, partial):
    series = market("BTC/USDT", "ETH/USDT", days=15)
    settings = ("RISK_DAILY_LOSS_LIMIT_QUOTE=2", "FIXED_AMOUNT=1000", "RISK_LOSS_STREAK_COUNT=2")
    told = ("RISK_EMERGENCY_FLATTEN=true", f"PAPER_PARTIAL_FILL_PROB={partial}")
    shells = Shells(series, (*VOTE, *TIGHT, *settings, *told))
    finished = shells.replay()
    sold = [order for order in finished.result.orders if order.intent.purpose is Purpose.EMERGENCY]
    assert sold
    assert {order.intent.reason for order in sold} == {"emergency_flatten"}
    assert_equal(await shells.paper(tmp_path / "paper.sqlite3"), finished)
    kept = Shells(series, (*VOTE, *TIGHT, *settings)).replay()
    assert Purpose.EMERGENCY not in {order.intent.purpose for order in kept.result.orders}


async def test_two_symbols_share_one_account_in_both_shells(tmp_path):
    series = market("BTC/USDT", "ETH/USDT", days=15)
    shells = Shells(series, (*VOTE, *TIGHT, "RISK_CORR_GROUPS=BTC/USDT|ETH/USDT"))
    assert_equal(await shells.paper(tmp_path / "paper.sqlite3"), shells.replay())


@pytest.mark.parametrize("symbols", [("BTC/USDT",), ("BTC/USDT", "ETH/USDT")], ids=len)
@pytest.mark.parametrize(
    "limit", ["RISK_MAX_DRAWDOWN_PCT=0.03", "RISK_DAILY_LOSS_LIMIT_QUOTE=1.2", "RISK_LOSS_STREAK_COUNT=1"]
)
async def test_a_limit_that_is_reached_between_entries_halts_alike_in_both_shells(tmp_path, symbols, limit):
    shells = Shells(market(*symbols, days=10), (*VOTE, *TIGHT, limit))
    paper, finished = await shells.paper(tmp_path / "paper.sqlite3"), shells.replay()
    assert_equal(paper, finished)
    assert {reason for reason in finished.result.blocked if reason.startswith("risk_")}
    end_ms = START_MS + 10 * DAY_MS
    assert paper.halts.active(end_ms) == finished.trader.halts.active(end_ms)


async def test_no_more_positions_than_allowed_are_open_in_either_shell(tmp_path):
    shells = Shells(market("BTC/USDT", "ETH/USDT", days=10), (*VOTE, *TIGHT, "MAX_POSITIONS=1"))
    finished = shells.replay()
    assert finished.result.blocked["max_positions"] > 0
    assert_equal(await shells.paper(tmp_path / "paper.sqlite3"), finished)


async def test_holes_in_the_candles_are_the_same_in_both_shells(tmp_path):
    series = {"BTC/USDT": prepare(with_holes(generate("BTC/USDT", 14, 3)))}
    shells = Shells(series, (*VOTE, *TIGHT))
    assert_equal(await shells.paper(tmp_path / "paper.sqlite3"), shells.replay())


@pytest.mark.parametrize("seed", [3, 11, 12])
@pytest.mark.parametrize("partial", ["0", "0.9"])
async def test_symbols_with_different_holes_are_the_same_in_both_shells(tmp_path, partial, seed):
    told = ("RISK_DAILY_LOSS_LIMIT_QUOTE=2", "RISK_EMERGENCY_FLATTEN=true", "FIXED_AMOUNT=1000")
    shells = Shells(holed(10, seed), (*VOTE, *TIGHT, *told, f"PAPER_PARTIAL_FILL_PROB={partial}"))
    finished = shells.replay()
    assert finished.result.blocked["stale_data"] > 0
    assert_equal(await shells.paper(tmp_path / "paper.sqlite3"), finished)


async def test_partial_fills_are_the_same_in_both_shells(tmp_path):
    shells = Shells(market("BTC/USDT", days=14), (*VOTE, *TIGHT, "PAPER_PARTIAL_FILL_PROB=0.5"))
    paper = await shells.paper(tmp_path / "paper.sqlite3")
    finished = shells.replay()
    assert any(order.intent.attempt > 1 for order in finished.result.orders)
    assert_equal(paper, finished)


def test_the_fill_policy_changes_what_a_candle_with_both_levels_earns():
    shells = Shells(market("BTC/USDT"), (*VOTE, *TIGHT))
    worst = shells.replay()
    config = attrs.evolve(shells.parts()[0], best_fills=True)
    best = shells.replay(config=config)
    assert best.result.final_equity != worst.result.final_equity


def test_bar_by_bar_gives_what_blocks_give():
    shells = Shells({"BTC/USDT": prepare(with_holes(generate("BTC/USDT", 12, 5)))}, (*VOTE, *TIGHT))
    blocks, bars = shells.replay(), shells.replay(bar_by_bar=True)
    assert bars.result.decisions_sha256 == blocks.result.decisions_sha256
    assert facts(bars.result.orders) == facts(blocks.result.orders)
    assert bars.result.equity.tobytes() == blocks.result.equity.tobytes()


def test_a_repeated_replay_gives_the_same_bytes():
    shells = Shells(market("BTC/USDT", "ETH/USDT", days=12), (*VOTE, *TIGHT))
    first, second = shells.replay(), shells.replay()
    assert first.result.equity.tobytes() == second.result.equity.tobytes()
    assert first.result.orders == second.result.orders


@pytest.mark.parametrize("mode", ["first", "vote", "weighted"])
async def test_each_aggregation_mode_is_the_same_in_both_shells(tmp_path, mode):
    overrides = (f"STRATEGY_SET={NINE}", f"STRATEGY_MODE={mode}", "STRATEGY_MIN_CONFIDENCE=0.5", *TIGHT)
    shells = Shells(market("ETH/USDT", days=8), overrides)
    assert_equal(await shells.paper(tmp_path / "paper.sqlite3"), shells.replay())


async def test_a_session_that_ended_goes_on_with_longer_candles(tmp_path):
    """Stopping between two candles and starting again leaves no trace in decisions, orders or money."""
    whole = market("BTC/USDT", days=12)
    part = {symbol: prepare(series.bars[:900]) for symbol, series in whole.items()}
    database = tmp_path / "paper.sqlite3"
    early = await Shells(part, (*VOTE, *TIGHT)).paper(database)
    shells = Shells(whole, (*VOTE, *TIGHT))
    late = await shells.paper(database)
    finished = shells.replay()
    # The last candle of the first part had no successor, so it was decided at its close, not the next open.
    assert len(early.cycles["BTC/USDT"]) + len(late.cycles["BTC/USDT"]) == finished.result.cycles
    assert late.book.equity() == late.book.baseline + late.book.realized + late.book.unrealized()
    assert not {order.intent.key for order in early.orders} & {order.intent.key for order in late.orders}
