"""Settings of what is traded, how it is decided and how it is protected."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Literal

from cab_core.secret import Secret
from cab_core.settings import lists, parse
from cab_core.settings.setting import required, section, setting


@section
class RunSettings:
    """What is traded, where, with which keys."""

    mode: Literal["paper", "live"] = required(
        parse.choice("paper", "live"), "Simulated money, or real orders.", unset="paper"
    )
    exchange: str = required(parse.exchange(), "The venue: prices in paper, orders too in live.", unset="")
    symbols: tuple[str, ...] = required(
        lists.symbols(),
        "The symbols to trade. One that is taken out with a position open is looked after to its exit.",
        unset=(),
    )
    fixed_amount: Decimal = setting(
        "50",
        parse.money(gt=0),
        "Quote amount of one entry before the regime and the risk rules shrink it.",
        in_quote=True,
    )
    api_key: Secret = setting("", parse.secret(), "Key of the exchange account; required in live.")
    api_secret: Secret = setting("", parse.secret(), "Secret of the exchange account; required in live.")
    api_token: Secret = setting(
        "",
        parse.secret(),
        "Bearer token of the control endpoints: required in live, at least 16 characters; empty in paper "
        "switches these endpoints off.",
    )
    autostart: bool | None = setting(
        "",
        parse.optional_boolean("true, false, or empty: true in paper, false in live"),
        "Whether trading starts with the process; otherwise the API or Telegram starts it.",
    )


@section
class MarketSettings:
    """When a candle is evaluated and which market data is good enough."""

    eval_interval_sec: int = setting("15", parse.whole(1, 300), "Seconds between looks for a new candle.")
    candle_grace_sec: int = setting(
        "3", parse.whole(0, 60), "Seconds to wait after the close of a candle before it is evaluated."
    )
    signal_ttl_sec: int = setting(
        "300",
        parse.whole(1, 900),
        "Seconds after the close of its candle during which a delayed entry is retried.",
    )
    market_data_max_lag_sec: int = setting(
        "120", parse.whole(1, 3600), "Seconds the newest candle may be late before entries are blocked."
    )


@section
class StrategySettings:
    """Which strategies decide, and how their answers become one."""

    strategy_enabled: bool = setting("true", parse.boolean(), "false: no strategy is asked, exits go on.")
    strategy_set: tuple[str, ...] = setting(
        "ema_atr",
        lists.names("a comma list of installed strategies or paths of single .py files", empty=False),
        "The strategies that are asked, in order. A path of a single file works in paper and backtest.",
    )
    strategy_mode: Literal["first", "vote", "weighted"] = setting(
        "first", parse.choice("first", "vote", "weighted"), "How several answers become one decision."
    )
    strategy_min_confidence: float = setting(
        "0.0", parse.real(ge=0, le=1), "Least confidence a single strategy's answer needs to count."
    )
    strategy_weights: Mapping[str, float] = setting(
        "", lists.weights(), "Weight of each strategy; 0 keeps it in the trace without a vote."
    )
    ema_short: int = setting(
        "12",
        parse.whole(2, 200),
        "Short EMA of ema_atr, in bars.",
        options=(("strategies", "ema_atr", "ema_short"),),
    )
    ema_long: int = setting(
        "26",
        parse.whole(3, 400),
        "Long EMA of ema_atr, in bars; longer than the short one.",
        options=(("strategies", "ema_atr", "ema_long"),),
    )
    atr_period: int = setting(
        "14",
        parse.whole(2, 200),
        "ATR of ema_atr, donchian_breakout and ema_cross, in bars.",
        options=(
            ("strategies", "ema_atr", "atr_period"),
            ("strategies", "donchian_breakout", "atr_period"),
            ("strategies", "ema_cross", "atr_period"),
        ),
    )
    atr_max_pct: float = setting(
        "1000",
        parse.real(gt=0),
        "ema_atr does not buy while the ATR is above this percentage of the price.",
        options=(("strategies", "ema_atr", "atr_max_pct"),),
    )
    ema_min_slope: float = setting(
        "0",
        parse.real(ge=-5, le=5),
        "ema_atr does not buy while its short EMA rises less than this percentage of the price per bar.",
        options=(("strategies", "ema_atr", "ema_min_slope"),),
    )


@section
class FilterSettings:
    """Filters on buys: the trend of the higher timeframes and the volume. Sells are never filtered."""

    trend_vol_sensitivity: float = setting(
        "0.5", parse.real(ge=0, le=0.9), "How much volatility shifts the weights of the timeframes."
    )
    trend_min_coverage: float = setting(
        "0.40", parse.real(ge=0, le=1), "Least summed base weight of available timeframes for a known trend."
    )
    trend_deadband: float = setting(
        "0.10", parse.real(ge=0, le=1), "Trend scores within plus and minus this are flat."
    )
    trend_require_up: bool = setting("false", parse.boolean(), "Also block buys while the trend is flat.")
    trend_unknown_policy: Literal["block", "allow"] = setting(
        "block", parse.choice("block", "allow"), "What happens to buys while the trend is unknown."
    )
    volume_filter_enabled: bool = setting("true", parse.boolean(), "Whether buys need volume.")
    volume_min_ratio: float = setting(
        "0.8",
        parse.real(ge=0),
        "Least volume of a buy's bar as a multiple of the mean of the 20 bars before.",
    )


@section
class FusionSettings:
    """How a model's probability adjusts the strategies' confidence."""

    fusion_mode: Literal["linear", "nonlinear"] = setting(
        "linear", parse.choice("linear", "nonlinear"), "Fixed weights, or weights by the model's certainty."
    )
    fusion_w_technical: float = setting(
        "0.65",
        parse.real(ge=0, le=1),
        "Weight of the strategy; 1 minus FUSION_W_AI where only that is given.",
    )
    fusion_w_ai: float = setting(
        "0.35",
        parse.real(ge=0, le=1),
        "Weight of the model; 1 minus FUSION_W_TECHNICAL where only that is given.",
    )
    fusion_gamma: float = setting(
        "1.0", parse.real(ge=0.25, le=4), "nonlinear: exponent of the model's certainty."
    )
    ai_enabled: Literal["auto", "on", "off"] = setting(
        "auto",
        parse.choice("auto", "on", "off"),
        "Models are not part of this version: on is refused, auto means off.",
    )
    ai_model_path: Path = setting(
        "./models/model.onnx", parse.path(), "Kept for a model; refused if changed while there is none."
    )


@section
class ExitSettings:
    """Protective exits of every position, in percent of the average entry price."""

    stop_loss_pct: Decimal = setting("5.0", parse.money(gt=0, lt=100), "Stop loss below the entry price.")
    trailing_stop_pct: Decimal = setting(
        "3.0", parse.money(gt=0, lt=100), "Trailing stop below the highest price since take profit 1."
    )
    take_profit_1_pct: Decimal = setting(
        "2.0", parse.money(gt=0), "Half the position is sold this much above the entry price."
    )
    take_profit_2_pct: Decimal = setting(
        "5.0", parse.money(gt=0), "The rest is sold this much above it; more than TAKE_PROFIT_1_PCT."
    )
    exits_interval_sec: int = setting("5", parse.whole(1, 300), "Seconds between looks at the stops.")
    exits_breakeven_include_fees: bool = setting(
        "true", parse.boolean(), "Break even is after both fees; false: the entry price itself."
    )
    exits_tp2_enabled: bool = setting(
        "true", parse.boolean(), "false: after take profit 1 only the trailing stop ends the position."
    )
    exits_stop_limit_offset_pct: Decimal = setting(
        "0.5", parse.money(gt=0, lt=100), "Limit of a resting stop order below its trigger."
    )
    exits_exchange_stop: bool = setting(
        "true", parse.boolean(), "In live a stop order rests at the exchange; ignored in paper."
    )
