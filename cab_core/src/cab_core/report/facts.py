"""What a report and a summary tell about a run besides its result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

from cab_core.plugins.failures import Failure
from cab_core.plugins.hindsight import Doubt


@attrs.frozen(slots=True, kw_only=True)
class DataFacts:
    """One candle file.

    Attributes:
        name: the file's name without its folder.
        sha256: of the decompressed content.
        first_ms: open time of its first candle; ``last_ms`` of its last.
        holes: places where candles are missing; ``missing`` is the number of missing candles.
        zero_volume: candles without volume.
    """

    symbol: str
    name: str
    sha256: str
    bars: int
    first_ms: int
    last_ms: int
    holes: int = 0
    missing: int = 0
    zero_volume: int = 0


@attrs.frozen(slots=True)
class DetailFacts:
    """The finer candles that candles were walked by.

    Attributes:
        candles: candles traded on, of all symbols.
        whole: those of them that were walked whole, because their detail is not complete.
    """

    files: tuple[DataFacts, ...]
    candles: int
    whole: int


@attrs.frozen(slots=True)
class PluginFacts:
    """One plugin that took part: ``strategy:ema_cross``, its distribution and version."""

    id: str
    dist: str
    version: str


@attrs.frozen(slots=True, kw_only=True)
class RunFacts:
    """Where a run's result comes from.

    Attributes:
        data: the candle files, in the order of the symbols.
        data_sha256: of all data together.
        config_sha256: of all settings that decide.
        config: settings as text by name, secrets masked.
        changed: names of the settings that differ from their defaults.
        fills: the fill policy (spec 9.4).
        detail: the finer candles, None where every candle is walked whole.
        seed: of the generated market or of partial fills, None if nothing was random.
        doubts: answers of strategies that change with what they must not depend on.
        failures: plugins that raised, hung or answered nonsense.
        elapsed_s: wall time of the run; shown in the summary only, so that reports stay reproducible.
    """

    run_id: str
    data: tuple[DataFacts, ...]
    data_sha256: str
    config_sha256: str
    config: Mapping[str, str]
    changed: frozenset[str] = frozenset()
    plugins: tuple[PluginFacts, ...] = ()
    fills: Literal["worst", "best"] = "worst"
    detail: DetailFacts | None = None
    seed: int | None = None
    doubts: tuple[Doubt, ...] = ()
    failures: tuple[Failure, ...] = ()
    elapsed_s: float = 0.0

    @property
    def believable(self) -> bool:
        """Whether the result is what the strategies and rules would have made of the market."""
        return not self.doubts and not self.failures

    @property
    def alarms(self) -> list[str]:
        """Return why the result is not to be believed, one line each."""
        return [doubt.text for doubt in self.doubts] + [failure.text for failure in self.failures]
