"""Backtests: from candle files and settings to a run, prepared once and run as often as one likes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Literal

import attrs
import numpy as np

from cab_core.app.config import RECORDED_BUDGET_S, cycle_config, judge_of, panels_of, plugins_for
from cab_core.app.details import Details, read_details
from cab_core.app.histories import Histories, read_histories
from cab_core.app.identity import (
    changed,
    deciding_options,
    deciding_rows,
    digest,
    plugin_facts,
    rooted,
    run_id,
    shown_texts,
)
from cab_core.app.readings import Recording, read_recording
from cab_core.cycle.backtest import Backtest, Finished
from cab_core.cycle.config import CycleConfig
from cab_core.cycle.recheck import Recheck
from cab_core.data.symbols import NamedFile
from cab_core.errors import CabError, ConfigError
from cab_core.plugins.failures import failed
from cab_core.plugins.hindsight import Doubt
from cab_core.plugins.kinds import Kind
from cab_core.plugins.registry import Plugins
from cab_core.plugins.strategies import StrategyPanel
from cab_core.report.facts import RunFacts
from cab_core.settings.schema import Settings
from cab_core.settings.units import given_names, unset_amounts

FillPolicy = Literal["worst", "best"]


@attrs.frozen(kw_only=True)
class Plan:
    """What a backtest is asked to do, besides its settings.

    Attributes:
        data: the candle files, with their symbols where the file names do not tell.
        from_ms: earlier candles only warm up; ``to_ms``: candles that close later are left out.
        detail: files of finer candles that 15m candles are walked by.
        macro: a file of macro readings.
    """

    data: tuple[NamedFile, ...]
    from_ms: int | None = None
    to_ms: int | None = None
    fills: FillPolicy = "worst"
    detail: tuple[NamedFile, ...] = ()
    macro: Path | None = None


@attrs.frozen(eq=False, kw_only=True)
class Prepared:
    """A backtest with everything it needs, ready to run.

    Attributes:
        settings: with the single files they name as absolute paths.
        facts: where its result will come from; without the time it took.
        began: `perf_counter` when its preparation began.
    """

    plan: Plan
    settings: Settings
    histories: Histories
    plugins: Plugins
    backtest: Backtest
    facts: RunFacts
    began: float

    def run(
        self,
        *,
        progress: Callable[[int], None] | None = None,
        watch: frozenset[tuple[int, int]] = frozenset(),
        bar_by_bar: bool = False,
        recheck: bool = True,
    ) -> tuple[Finished, RunFacts]:
        """Run it and return what came out, with facts that know how long it took and whether to believe it.

        Args:
            progress: told the number of bars just evaluated.
            watch: cycles, as (symbol index, row), whose votes and rulings are kept.
            bar_by_bar: evaluate bar by bar instead of in blocks: slower, same result.
            recheck: ask the strategies again about a sample of bars, for answers that know the future.
        """
        judge = judge_of(self.plugins)
        finished = attrs.evolve(self.backtest, judge=judge).execute(
            progress=progress, watch=watch, bar_by_bar=bar_by_bar
        )
        panels = [evaluated.panel for evaluated in finished.evaluated.values()]
        failures = [f for panel in panels if isinstance(panel, StrategyPanel) for f in panel.failures()]
        facts = attrs.evolve(
            self.facts,
            failures=tuple(failed((*failures, *judge.failures()))),
            doubts=tuple(self.doubts(finished)) if recheck else (),
        )
        return finished, attrs.evolve(facts, elapsed_s=perf_counter() - self.began)

    def doubts(self, finished: Finished) -> list[Doubt]:
        """Ask the strategies again about a sample of bars; return what changes with what it must not."""
        rng = np.random.default_rng(int(self.facts.run_id[:8], 16))
        strategies, series = self.plugins.strategies, self.histories.series
        return Recheck(finished.tapes, series, strategies, rng, RECORDED_BUDGET_S).doubts()

    @property
    def versions(self) -> list[tuple[str, str]]:
        """Name and version of each strategy in set order."""
        return [(bound.name, bound.record.version) for bound in self.plugins.strategies]


def prepare_run(plan: Plan, settings: Settings) -> Prepared:
    """Read the data, load the plugins and lay everything out.

    Raises:
        CabError: data, settings or plugins cannot be used.
    """
    began = perf_counter()
    given = given_names(settings)
    # Nothing here touches an account, so what only live trading forbids is allowed.
    settings = rooted(changed(settings, mode="paper"))
    histories = read_histories(plan.data)
    if unset := list(unset_amounts(settings, given, list(histories.series))):
        raise ConfigError(unset)
    recording = Recording() if plan.macro is None else read_recording(plan.macro)
    span = histories.span(plan.from_ms, plan.to_ms)
    details = read_details(plan.detail, histories)
    plugins = plugins_for(settings, {Kind.MACRO: recording.sources})
    timeline = recording.timeline(plugins)
    config = config_for(settings, plugins, list(histories.series), plan.fills)
    facts = _facts(plan, settings, histories, details, plugins, recording.sha256, span)
    backtest = Backtest(
        config=config,
        series=histories.series,
        panels=panels_of(plugins),
        judge=judge_of(plugins),
        timeline=timeline,
        span_ms=span,
        details=details.by_symbol,
        run=facts.run_id[:6],
    )
    return Prepared(
        plan=plan,
        settings=settings,
        histories=histories,
        plugins=plugins,
        backtest=backtest,
        facts=facts,
        began=began,
    )


def config_for(
    settings: Settings, plugins: Plugins, symbols: Sequence[str], fills: FillPolicy = "worst"
) -> CycleConfig:
    """Return the pure configuration.

    Raises:
        ConfigError: settings contradict each other.
    """
    names = [bound.name for bound in plugins.strategies]
    try:
        config = cycle_config(settings, names, symbols, sources=plugins.sources)
    except ValueError as error:
        problem = CabError(
            str(error), where="settings", fix="correct the named settings; see cab config show"
        )
        raise ConfigError([problem]) from error
    return attrs.evolve(config, best_fills=fills == "best")


def _facts(
    plan: Plan,
    settings: Settings,
    histories: Histories,
    details: Details,
    plugins: Plugins,
    macro_sha256: str,
    span: tuple[int, int] | None,
) -> RunFacts:
    data_sha256 = histories.sha256
    for more in (macro_sha256, details.sha256 if plan.detail else ""):
        if more:
            data_sha256 = hashlib.sha256(f"{data_sha256} {more}".encode()).hexdigest()
    shown = shown_texts(settings)
    config_sha256 = digest(shown, deciding_options(settings))
    active = plugin_facts((*plugins.strategies, *plugins.rules, *plugins.sources))
    return RunFacts(
        run_id=run_id(data_sha256, config_sha256, active, plan.fills, span),
        data=histories.facts(),
        data_sha256=data_sha256,
        config_sha256=config_sha256,
        config=shown,
        changed=_changed(settings, shown),
        plugins=active,
        fills=plan.fills,
        detail=details.facts(histories, span) if plan.detail else None,
        seed=0 if settings.paper_partial_fill_prob > 0 else None,
    )


def _changed(settings: Settings, shown: dict[str, str]) -> frozenset[str]:
    rows = deciding_rows()
    own = {r.name for r in rows if getattr(settings, r.attribute) != r.kind.parse(r.default)}
    return frozenset(own | (shown.keys() - {row.name for row in rows}))
