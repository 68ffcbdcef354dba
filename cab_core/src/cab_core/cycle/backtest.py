"""A backtest: candles in, result out, through the replay shell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

import attrs

from cab_core.cycle.columns import Columns, Stages, decide_all, stages
from cab_core.cycle.config import CycleConfig
from cab_core.cycle.detail import Detail
from cab_core.cycle.evaluate import Panel, Votes
from cab_core.cycle.higher import Higher
from cab_core.cycle.reasons import Reasons
from cab_core.cycle.replay import Replay
from cab_core.cycle.results import RunResult, result_of
from cab_core.cycle.tape import Tape
from cab_core.cycle.trader import Judge, Ruling, Trader
from cab_core.domain.book import Book
from cab_core.domain.candles import Block, Series
from cab_core.domain.regime import RegimeState
from cab_core.domain.regime_timeline import RegimeTimeline
from cab_core.garbage import uncollected

Progress = Callable[[int], None]


@attrs.frozen(kw_only=True)
class Backtest:
    """A backtest, ready to run; every run of it gives the same result.

    Attributes:
        config: the pure settings; its instruments are the symbols, in order.
        series: prepared 15m candles by symbol.
        panels: makes the strategies of a symbol, fresh for each run.
        judge: asks the risk rules.
        timeline: scripted macro readings.
        span_ms: first and last open time of the candles to trade on; earlier ones only warm up.
        details: finer candles by symbol, which its 15m candles are walked by where they are complete.
        run: six hexadecimal characters that begin its trace ids.
    """

    config: CycleConfig
    series: Mapping[str, Series]
    panels: Callable[[str], Panel]
    judge: Judge
    timeline: RegimeTimeline = attrs.field(factory=RegimeTimeline)
    span_ms: tuple[int, int] | None = None
    details: Mapping[str, Detail] = attrs.field(factory=dict)
    run: str = "000000"

    def decide(
        self,
        reasons: Reasons,
        *,
        bar_by_bar: bool = False,
        progress: Progress | None = None,
        watch: frozenset[tuple[int, int]] = frozenset(),
    ) -> dict[str, Evaluated]:
        """Evaluate every bar of every symbol: stages 2 to 6; keep the votes of the watched cycles."""
        evaluated = {}
        for index, symbol in enumerate(self.config.symbols):
            series = self.series[symbol]
            higher = Higher.resampled(series.bars)
            around = stages(series, higher, self.config)
            kept = Kept(frozenset(row for i, row in watch if i == index))
            panel = self.panels(symbol)
            columns = decide_all(
                panel,
                series,
                around,
                self.config,
                reasons,
                bar_by_bar=bar_by_bar,
                progress=progress,
                on_votes=kept.take if kept.rows else None,
            )
            evaluated[symbol] = Evaluated(panel, higher, around, columns, kept.votes)
        return evaluated

    def execute(
        self,
        *,
        bar_by_bar: bool = False,
        progress: Progress | None = None,
        watch: frozenset[tuple[int, int]] = frozenset(),
    ) -> Finished:
        """Run it.

        Args:
            bar_by_bar: evaluate bar by bar instead of in blocks: slower, same result.
            progress: told the number of bars just evaluated.
            watch: cycles, as (symbol index, row), whose votes and rulings are kept.
        """
        reasons = Reasons(self.config.aggregation.names)
        evaluated = self.decide(reasons, bar_by_bar=bar_by_bar, progress=progress, watch=watch)
        tapes = [
            Tape(
                i,
                symbol,
                self.series[symbol],
                evaluated[symbol].columns,
                self.config.costs,
                reasons,
                self.span_ms,
            )
            for i, symbol in enumerate(self.config.symbols)
        ]
        book = Book(self.config.baseline, self.config.instruments)
        trader = Trader(
            self.config,
            book,
            self.judge,
            lambda symbol, now_ms: evaluated[symbol].higher.hourly_returns(now_ms),
        )
        replay = Replay(self.config, tapes, trader, self._regime(), reasons, self.run, watch, self.details)
        # A judge that watches over its rules' time does so once for the run, not once for each entry.
        with self.judge if isinstance(self.judge, AbstractContextManager) else nullcontext(), uncollected():
            replay.run()
        result = result_of(self.config, tapes, replay.grid, book, replay.orders, replay.holdings, reasons)
        return Finished(result, tapes, evaluated, reasons, trader, replay.rulings)

    def _regime(self) -> Callable[[int], RegimeState]:
        return self.timeline.cursor(self.config.regime).advance


@attrs.frozen(eq=False)
class Kept:
    """Picks the votes of some rows out of the blocks that pass."""

    rows: frozenset[int]
    votes: dict[int, tuple[Votes, int]] = attrs.field(factory=dict)

    def take(self, block: Block, votes: Votes) -> None:
        """Keep the votes of the block for each wanted row in it."""
        for row in self.rows:
            if block.first <= row < block.stop:
                self.votes[row] = (votes, row - block.first)


@attrs.frozen(eq=False)
class Evaluated:
    """One symbol after stages 2 to 6.

    Attributes:
        panel: who was asked.
        votes: by watched row, the votes of its block and its place in them.
    """

    panel: Panel
    higher: Higher
    around: Stages
    columns: Columns
    votes: Mapping[int, tuple[Votes, int]]


@attrs.frozen(eq=False)
class Finished:
    """A run that is over: its result, and what it was made of, for explanations."""

    result: RunResult
    tapes: list[Tape]
    evaluated: Mapping[str, Evaluated]
    reasons: Reasons
    trader: Trader
    rulings: Mapping[tuple[int, int], Ruling]
