"""What strategies say about recorded candles, and what becomes of it: nothing filtered, nothing fused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import attrs
import numpy as np

from cab_core.app.config import panels_of
from cab_core.app.histories import read_histories
from cab_core.app.identity import changed, rooted
from cab_core.data.symbols import NamedFile
from cab_core.domain.aggregation import Aggregate, AggregationSettings, Mode, aggregate
from cab_core.domain.bars import FloatArray, IntArray
from cab_core.domain.candles import Series, blocks
from cab_core.domain.signals import ACTIONS, Action, ActionArray, Signals
from cab_core.errors import CabError, ConfigError
from cab_core.plugins.kinds import Kind
from cab_core.plugins.registry import Plugins, load_plugins
from cab_core.settings.schema import Settings

#: Cells of a row: bar, open time, strategy or mode, action, confidence, reason.
Row = tuple[int, int, str, str, float, str]

_LABELS = {int(action): label for label, action in ACTIONS.items()}


@attrs.frozen(eq=False, slots=True)
class RawSignals:
    """The answers of S strategies at N candles of a file, in its order.

    Attributes:
        names: the strategies in set order.
        ts_ms: open times.
        action: int8 [S, N]. ``confidence``: float64 [S, N].
        reasons: texts [S][N].
        warnings: of loading the strategies.
    """

    symbol: str
    names: tuple[str, ...]
    ts_ms: IntArray
    action: ActionArray
    confidence: FloatArray
    reasons: tuple[tuple[str, ...], ...]
    warnings: tuple[str, ...] = ()

    def rows(self) -> Iterator[Row]:
        """Yield one row per candle and strategy."""
        actions = [[_LABELS[code] for code in column] for column in self.action.tolist()]
        confidences = self.confidence.tolist()
        for bar, ts_ms in enumerate(self.ts_ms.tolist()):
            for s, name in enumerate(self.names):
                yield bar, ts_ms, name, actions[s][bar], confidences[s][bar], self.reasons[s][bar]

    def aggregated(self, settings: AggregationSettings) -> Iterator[Row]:
        """Yield one row per candle: the one decision the strategies' answers add up to."""
        decided: Aggregate = aggregate(self.action, self.confidence, settings)
        confidences, mode = decided.confidence.tolist(), settings.mode.value
        for bar, ts_ms in enumerate(self.ts_ms.tolist()):
            action = Action(int(decided.action[bar])).label
            yield bar, ts_ms, mode, action, confidences[bar], decided.reason(bar)


def raw_signals(
    file: NamedFile, settings: Settings, progress: Callable[[int], None] | None = None
) -> RawSignals:
    """Ask the strategies of the settings about every candle of a file.

    Raises:
        CabError: the file or a strategy cannot be used.
    """
    histories = read_histories((file,))
    ((name, series),) = histories.series.items()
    plugins = _strategies(rooted(changed(settings, mode="paper")))
    answers = _ask(plugins, name, series, progress)
    real = ~series.bars.synthetic
    return RawSignals(
        symbol=name,
        names=tuple(bound.name for bound in plugins.strategies),
        ts_ms=series.bars.ts_ms[real],
        action=np.stack([np.concatenate([part.action for part in parts]) for parts in answers])[:, real],
        confidence=np.stack([np.concatenate([part.confidence for part in parts]) for parts in answers])[
            :, real
        ],
        reasons=tuple(_texts(parts, real.tolist()) for parts in answers),
        warnings=plugins.report.warnings,
    )


def aggregation(
    names: Sequence[str], mode: str, min_confidence: float, weights: dict[str, float]
) -> AggregationSettings:
    """Return how answers become one.

    Raises:
        ConfigError: a value is out of range.
    """
    try:
        return AggregationSettings(
            names, Mode(mode), min_confidence, tuple(weights.get(name, 1.0) for name in names)
        )
    except ValueError as error:
        fix = "minimum confidence in 0..1, weights >= 0"
        raise ConfigError([CabError(str(error), where="--aggregate", fix=fix)]) from error


def _strategies(settings: Settings) -> Plugins:
    """Load the strategies alone: neither rules nor filters have a say here."""
    return load_plugins(
        {Kind.STRATEGY: settings.strategy_set}, {Kind.STRATEGY: settings.plugin_options.get("strategies", {})}
    )


def _ask(
    plugins: Plugins, symbol: str, series: Series, progress: Callable[[int], None] | None
) -> list[list[Signals]]:
    """Return each strategy's answers, block by block."""
    panel = panels_of(plugins)(symbol)
    answers: list[list[Signals]] = [[] for _ in plugins.strategies]
    for block in blocks(series):
        window = series.bars[block.start : block.stop]
        for parts, part in zip(answers, panel.block(window, block.first - block.start), strict=True):
            parts.append(part)
        if progress is not None:
            progress(block.stop - block.first)
    return answers


def _texts(parts: Sequence[Signals], real: Sequence[bool]) -> tuple[str, ...]:
    texts = [part.reasons[code] for part in parts for code in part.reason.tolist()]
    return tuple(text for text, is_real in zip(texts, real, strict=True) if is_real)
