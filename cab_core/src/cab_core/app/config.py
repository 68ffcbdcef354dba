"""From settings to the pure configuration and the plugins of a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from cab_core.cycle.config import CycleConfig
from cab_core.domain.aggregation import AggregationSettings, Mode
from cab_core.domain.exit_rules import ExitRules
from cab_core.domain.fusion import FusionMode, FusionSettings
from cab_core.domain.market import Costs, Instrument
from cab_core.domain.money import fraction
from cab_core.domain.monitoring import ActivityLimits
from cab_core.domain.regime import RegimeSettings
from cab_core.domain.trend import TrendSettings
from cab_core.errors import CabError, ConfigError
from cab_core.plugins.bound import Bound
from cab_core.plugins.callers import RiskPanel
from cab_core.plugins.kinds import SECTIONS, Kind
from cab_core.plugins.registry import Plugins, load_plugins
from cab_core.plugins.strategies import StrategyPanel
from cab_core.settings.schema import Settings

#: Seconds a call may take on recorded candles. There the machine's load must not change a result, so only
#: what hangs is cut off; the budgets of the hooks hold where time is real.
RECORDED_BUDGET_S = 5.0

#: Key in the table of a macro source or notifier that is the kernel's: the one address it may talk to.
ADDRESS_OPTION = "url"


def cycle_config(
    settings: Settings,
    names: Sequence[str],
    symbols: Sequence[str],
    leaving: Sequence[str] = (),
    sources: Sequence[Bound] = (),
) -> CycleConfig:
    """Return the pure configuration of the core.

    Args:
        settings: parsed settings.
        names: the strategies that were loaded, in set order.
        symbols: what is traded, in order.
        leaving: what is looked after beside it until it is sold.
        sources: the macro sources that were loaded.
    """
    weights = {name.lower(): weight for name, weight in settings.strategy_weights.items()}
    fee, half = fraction(settings.paper_fee_pct), fraction(settings.paper_spread_pct) / 2
    return CycleConfig(
        aggregation=AggregationSettings(
            names,
            Mode(settings.strategy_mode),
            settings.strategy_min_confidence,
            tuple(weights.get(name, 1.0) for name in names),
        ),
        strategies_enabled=settings.strategy_enabled and bool(names),
        trend=TrendSettings(
            settings.trend_vol_sensitivity,
            settings.trend_min_coverage,
            settings.trend_deadband,
            settings.trend_require_up,
            settings.trend_unknown_policy == "block",
        ),
        volume_min_ratio=settings.volume_min_ratio if settings.volume_filter_enabled else None,
        fusion=FusionSettings(
            mode=FusionMode(settings.fusion_mode), w_ai=settings.fusion_w_ai, gamma=settings.fusion_gamma
        ),
        regime=regime_settings(settings, sources),
        fixed_amount=settings.fixed_amount,
        max_positions=settings.max_positions,
        max_slippage_pct=settings.risk_max_slippage_pct,
        activity=ActivityLimits(
            settings.risk_max_orders_5m, settings.risk_max_turnover_5m_quote, settings.risk_enforce_5m
        ),
        exits=ExitRules.from_percents(
            stop_loss_pct=settings.stop_loss_pct,
            trailing_stop_pct=settings.trailing_stop_pct,
            take_profit_1_pct=settings.take_profit_1_pct,
            take_profit_2_pct=settings.take_profit_2_pct,
            fee_pct=settings.paper_fee_pct,
            breakeven_include_fees=settings.exits_breakeven_include_fees,
            tp2_enabled=settings.exits_tp2_enabled,
        ),
        costs=Costs(fee, fraction(settings.paper_slippage_pct), half),
        baseline=settings.paper_initial_quote,
        instruments={symbol: _instrument(settings, symbol) for symbol in (*symbols, *leaving)},
        leaving=frozenset(leaving),
        stop_offset=fraction(settings.exits_stop_limit_offset_pct),
        emergency_flatten=settings.risk_emergency_flatten,
        partial_fill_prob=float(settings.paper_partial_fill_prob),
        grace_ms=settings.candle_grace_sec * 1000,
        retry_ms=settings.eval_interval_sec * 1000,
        ttl_ms=settings.signal_ttl_sec * 1000,
    )


def regime_settings(settings: Settings, sources: Sequence[Bound]) -> RegimeSettings:
    """Return the thresholds of the macro filter; those of third parties' indices are their plugins' own.

    Raises:
        ConfigError: a plugin's threshold is no positive number.
    """
    thresholds = {bound.name: bound.threshold_pct for bound in sources}
    for name, value in thresholds.items():
        if value is not None and not (isinstance(value, int | float) and 0 < value < math.inf):
            where = f"{SECTIONS[Kind.MACRO]}.{name}.threshold_pct"
            fix = "give the rise in percent that costs 0.6 of the score"
            raise ConfigError([CabError(f"{value!r} is no positive number", where=where, fix=fix)])
    return RegimeSettings(
        dxy_change_pct=settings.regime_dxy_change_pct,
        btc_dom_change_pct=settings.regime_btc_dom_change_pct,
        fomc_block_hours=settings.regime_fomc_block_hours,
        hysteresis=settings.regime_hysteresis,
        max_age_sec=settings.regime_max_age_sec,
        interval_sec=settings.regime_interval_sec,
        enabled=settings.regime_enabled,
        thresholds={name: float(value) for name, value in thresholds.items() if value is not None},
    )


def plugins_for(settings: Settings, enabled: Mapping[Kind, Sequence[str]]) -> Plugins:
    """Load the plugins of a run with their configured options.

    Args:
        settings: parsed settings; they name the rules that stay off.
        enabled: names per kind; strategies are the settings' set unless given.
    """
    strategies = settings.strategy_set if settings.strategy_enabled else ()
    options = {kind: settings.plugin_options.get(table, {}) for kind, table in SECTIONS.items()}
    for kind in (Kind.MACRO, Kind.NOTIFIER):
        options[kind] = {
            name: {key: value for key, value in given.items() if key != ADDRESS_OPTION}
            for name, given in options[kind].items()
        }
    return load_plugins(
        {Kind.STRATEGY: strategies, **enabled},
        options,
        disabled_rules=settings.risk_disabled_rules,
        files=settings.risk_rule_files,
        live=settings.mode == "live",
        allow=settings.plugins_allowed,
    )


def judge_of(plugins: Plugins, budget_s: float = RECORDED_BUDGET_S) -> RiskPanel:
    """Return what asks all active risk rules about an entry; a rule without a verdict blocks it."""
    return RiskPanel(plugins.rules, budget_s=budget_s)


def panels_of(plugins: Plugins, budget_s: float = RECORDED_BUDGET_S) -> Callable[[str], StrategyPanel]:
    """Return what makes a fresh panel of the strategies for a symbol."""
    return lambda symbol: StrategyPanel.of(plugins.strategies, symbol, budget_s=budget_s)


def _instrument(settings: Settings, symbol: str) -> Instrument:
    return Instrument(
        symbol,
        settings.paper_amount_step,
        settings.paper_price_tick,
        settings.paper_cost_step,
        settings.paper_min_notional,
    )


__all__ = ["cycle_config", "judge_of", "panels_of", "plugins_for", "regime_settings"]
