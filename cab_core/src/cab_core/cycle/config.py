"""What the pure core is set up with: one value, made from the settings by the composition root."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs

from cab_core.domain.aggregation import AggregationSettings
from cab_core.domain.exit_rules import ExitRules
from cab_core.domain.fusion import FusionSettings
from cab_core.domain.market import Costs, Instrument
from cab_core.domain.monitoring import ActivityLimits
from cab_core.domain.regime import RegimeSettings
from cab_core.domain.timeframes import MINUTE_MS
from cab_core.domain.trend import TrendSettings


@attrs.frozen(slots=True, kw_only=True)
class CycleConfig:
    """Everything that decides, and nothing that merely fetches, stores or shows.

    Attributes:
        aggregation: the strategies' names in set order, mode, minimum confidence, weights.
        strategies_enabled: False evaluates no strategy; exits go on.
        volume_min_ratio: least relative volume of a buy, None with the volume filter off.
        fixed_amount: full entry size in quote.
        max_positions: positions open at once.
        max_slippage_pct: cap on the expected slippage of an entry, percent.
        instruments: precision and minimums by symbol, in the order of the settings.
        leaving: those of them that are no longer to be traded but are still held: no entries.
        stop_offset: how far the limit of a resting stop lies below its trigger, as a fraction; what is bought
            must be worth enough there.
        emergency_flatten: a critical rule's halt also sells every position.
        best_fills: fill policy ``best``: of the two orders of a candle's extremes the one worth more.
        grace_ms: how long after its close a candle is first evaluated.
        retry_ms: how often a delayed entry is tried again; ``ttl_ms``: for how long after the close.
    """

    aggregation: AggregationSettings
    strategies_enabled: bool = True
    trend: TrendSettings = attrs.field(factory=TrendSettings)
    volume_min_ratio: float | None = 0.8
    fusion: FusionSettings = attrs.field(factory=FusionSettings)
    regime: RegimeSettings = attrs.field(factory=RegimeSettings)
    fixed_amount: Decimal = Decimal(50)
    max_positions: int = 20
    max_slippage_pct: Decimal = Decimal(1)
    activity: ActivityLimits = attrs.field(factory=ActivityLimits)
    exits: ExitRules = attrs.field(factory=ExitRules)
    costs: Costs = attrs.field(factory=Costs)
    baseline: Decimal = Decimal(10_000)
    instruments: Mapping[str, Instrument]
    leaving: frozenset[str] = frozenset()
    stop_offset: Decimal = Decimal("0.005")
    emergency_flatten: bool = False
    best_fills: bool = False
    partial_fill_prob: float = 0.0
    fill_seed: int = 0
    grace_ms: int = 3_000
    retry_ms: int = 15_000
    ttl_ms: int = 5 * MINUTE_MS

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols in the order of the settings."""
        return tuple(self.instruments)
