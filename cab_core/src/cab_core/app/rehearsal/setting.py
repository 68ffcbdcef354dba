"""The settings of a bot in rehearsal: the user's own, but no road leads to real money or real people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cab_core.app.fitness import plugin_problems
from cab_core.app.rehearsal.brief import DATABASE, LOCK, Brief
from cab_core.app.rehearsal.plan import Plan
from cab_core.errors import ConfigError, UsageError
from cab_core.settings import Loaded, load_settings, read_settings

KEY, SECRET = "rehearsal-key-0001", "rehearsal-secret-0001"

#: What a rehearsal trades with unless the user's settings say otherwise: often, so that much is rehearsed.
DEFAULTS = {
    "STRATEGY_SET": "ema_atr,ema_cross,rsi_momentum,bollinger_bands,donchian_breakout,supertrend,"
    "stochastic_adx,keltner_squeeze,vwap_reversion",
    "STRATEGY_MODE": "first",
    "TREND_DEADBAND": "1",
    "TREND_UNKNOWN_POLICY": "allow",
    "VOLUME_FILTER_ENABLED": "false",
    "RISK_LOSS_STREAK_COUNT": "50",
    "STOP_LOSS_PCT": "1.5",
    "TAKE_PROFIT_1_PCT": "0.8",
    "TAKE_PROFIT_2_PCT": "2",
    "TRAILING_STOP_PCT": "0.8",
}

#: Seconds between reconciliations and between looks for new candles: what matters happens at the ticks.
_RECONCILE_S, _LOOK_S = 600, 150


def overrides(
    plan: Plan, *, folder: Path, symbols: Sequence[str], base_url: str, token: str
) -> tuple[str, ...]:
    """Return what the rehearsal sets, whatever the user has set.

    Args:
        plan: with servers for database and events, if they are rehearsed, too, and the user's own overrides.
        folder: of the rehearsal.
        symbols: what is traded.
        base_url: where the bot finds the exchange.
        token: of the bot's own control endpoints.

    Raises:
        UsageError: the user overrides what is the rehearsal's own.
    """
    fixed = {
        "MODE": "live",
        "EXCHANGE": "gateio",
        "SYMBOLS": ",".join(symbols),
        "API_KEY": KEY,
        "API_SECRET": SECRET,
        "API_TOKEN": token,
        "AUTOSTART": "",
        "DB_PATH": str(folder / DATABASE),
        "DATABASE_URL": plan.database,
        "EVENT_BUS_URL": plan.redis,
        "INSTANCE_KEY_URL": plan.redis,
        "INSTANCE_LOCK_PATH": str(folder / LOCK),
        "DMS_ENABLED": "false",
        "NOTIFIER_SET": "log",
        "TELEGRAM_BOT_TOKEN": "",
        "TELEGRAM_CHAT_ID": "",
        "REGIME_DXY_URL": "",
        "REGIME_BTC_DOM_URL": "",
        "REGIME_FOMC_URL": "",
        "EXITS_INTERVAL_SEC": plan.tick_s,
        "EVAL_INTERVAL_SEC": _LOOK_S,
        "RECONCILE_INTERVAL_SEC": _RECONCILE_S,
        "LOG_FORMAT": "json",
        "brokers.gateio.base_url": base_url,
        "brokers.gateio.timeout_s": 5,
        "brokers.gateio.rate_rps": 15,
        "brokers.gateio.rate_burst": 50,
        "brokers.gateio.unified_account": "false",
    }
    own = sorted({each.partition("=")[0].strip() for each in plan.overrides} & fixed.keys())
    if own:
        what = f"a rehearsal sets {', '.join(own)} itself"
        raise UsageError(
            what, where="--set", fix="leave it out; there are options for days, symbols and servers"
        )
    return (*plan.overrides, *(f"{name}={value}" for name, value in fixed.items()))


def load_brief(brief: Brief, environment: Mapping[str, str]) -> Loaded:
    """Load the settings of a bot in rehearsal.

    Raises:
        ConfigError: the user's own settings are wrong.
    """
    return load_settings(environment, brief.home, brief.overrides, None, DEFAULTS)


def check_brief(brief: Brief, environment: Mapping[str, str]) -> None:
    """Refuse settings with which no bot in rehearsal could start.

    Raises:
        ConfigError: everything that is wrong with the user's own settings and the plugins they name.
    """
    loaded = read_settings(environment, brief.home, brief.overrides, None, DEFAULTS)
    if problems := [*loaded.problems, *plugin_problems(loaded.settings, run=True)]:
        raise ConfigError(problems, loaded.warnings)
