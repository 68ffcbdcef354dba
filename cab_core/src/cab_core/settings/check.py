"""Rules that concern several settings at once. Each yields its problems; warnings are collected apart."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import attrs

from cab_core.settings.problems import SettingError
from cab_core.settings.schema import BY_NAME, Settings
from cab_core.settings.units import unset_amounts

MIN_TOKEN = 16
#: An order must be worth this many times the exchange's minimum.
NOTIONAL_MARGIN = Decimal("1.05")
_PLACEHOLDER = re.compile(
    r"(?i)<.*>|\.{2,}|x{3,}|\*+|(your|my|the|insert|enter|put)[ _-].*|change[ _-]?me.*|placeholder|"
    r"(example|test|dummy)?[ _-]?(api)?[ _-]?(key|secret|token)[ _-]?(here)?"
)


@attrs.frozen(slots=True)
class Subject:
    """What the rules look at.

    Attributes:
        settings: parsed values; code defaults stand in for what could not be parsed.
        given: names that were explicitly set.
        sources: where each value came from, by name.
        trading: whether orders may follow, as in ``cab run``; not in a backtest.
    """

    settings: Settings
    given: frozenset[str]
    sources: dict[str, str]
    trading: bool

    def problem(self, name: str, why: str, fix: str) -> SettingError:
        """Return the error of one setting with its value and source."""
        if name not in self.given:
            return SettingError(name, why, fix=fix)
        return SettingError(name, why, value=self.settings.texts()[name], source=self.sources[name], fix=fix)


Rule = Callable[[Subject], Iterator[SettingError]]


def take_profits(subject: Subject) -> Iterator[SettingError]:
    """TAKE_PROFIT_1_PCT lies below TAKE_PROFIT_2_PCT."""
    first, second = subject.settings.take_profit_1_pct, subject.settings.take_profit_2_pct
    if first >= second:
        name = "TAKE_PROFIT_2_PCT" if "TAKE_PROFIT_2_PCT" in subject.given else "TAKE_PROFIT_1_PCT"
        yield subject.problem(
            name,
            f"TAKE_PROFIT_1_PCT ({first}) must be below TAKE_PROFIT_2_PCT ({second})",
            "take profit 1 sells half, take profit 2 the rest further up, for example 2.0 and 5.0",
        )


def fusion_weights(subject: Subject) -> Iterator[SettingError]:
    """The two weights of the fusion, if both are given, sum to 1."""
    technical, model = subject.settings.fusion_w_technical, subject.settings.fusion_w_ai
    if abs(technical + model - 1.0) > 1e-6:
        yield subject.problem(
            "FUSION_W_AI",
            f"FUSION_W_TECHNICAL ({technical:g}) and FUSION_W_AI ({model:g}) must sum to 1",
            "set only one of them: the other follows",
        )


def models(subject: Subject) -> Iterator[SettingError]:
    """What would need a model is refused while there is none: no setting is taken that has no effect."""
    settings, none = subject.settings, "models are not part of this version"
    if settings.ai_enabled == "on":
        yield subject.problem("AI_ENABLED", none, "set AI_ENABLED=off, or remove it")
    usual = Path(BY_NAME["AI_MODEL_PATH"].default)
    if settings.ai_enabled != "off" and settings.ai_model_path != usual:
        yield subject.problem("AI_MODEL_PATH", none, "remove it")


def dead_man(subject: Subject) -> Iterator[SettingError]:
    """The dead man's switch has time to kill a silent bot, and somebody to restart it, before it sells."""
    settings = subject.settings
    killed = settings.dms_restart_sec + 2 * settings.dms_recheck_sec
    if killed >= settings.dms_timeout_sec:
        yield subject.problem(
            "DMS_TIMEOUT_SEC",
            f"must be above DMS_RESTART_SEC plus twice DMS_RECHECK_SEC ({killed:g})",
            f"raise it to at least {2 * killed:g}, so that a restart has time to take over",
        )


def looks_at_exits(subject: Subject) -> Iterator[SettingError]:
    """Every position that may be open can be looked at as often as the settings promise."""
    settings = subject.settings
    options = settings.options_of("brokers", settings.exchange)
    rate = float(str(options.get("rate_rps", settings.broker_rate_rps)))
    held = min(settings.max_positions, len(settings.symbols))
    if subject.trading and held > rate * settings.exits_interval_sec:
        yield subject.problem(
            "EXITS_INTERVAL_SEC",
            f"{held} positions cannot be looked at every {settings.exits_interval_sec} s: that takes "
            f"{held / settings.exits_interval_sec:g} requests a second, and {rate:g} are allowed",
            f"set it to {math.ceil(held / rate)}, "
            f"or MAX_POSITIONS to {int(rate * settings.exits_interval_sec)}",
        )


def telegram(subject: Subject) -> Iterator[SettingError]:
    """A bot token needs a chat; admins are allowed users."""
    settings = subject.settings
    if settings.telegram_bot_token and not settings.telegram_chat_id:
        yield subject.problem(
            "TELEGRAM_CHAT_ID", "is needed with TELEGRAM_BOT_TOKEN", "set the id of the chat"
        )
    strangers = sorted(set(settings.telegram_admins) - set(settings.telegram_allowed_users))
    if strangers:
        listed = ", ".join(map(str, strangers))
        yield subject.problem(
            "TELEGRAM_ADMINS",
            f"{listed} is not in TELEGRAM_ALLOWED_USERS",
            f"add {listed} to TELEGRAM_ALLOWED_USERS",
        )


def webhook(subject: Subject) -> Iterator[SettingError]:
    """What is posted is signed."""
    settings = subject.settings
    if settings.webhook_url and len(settings.webhook_secret.reveal()) < MIN_TOKEN:
        yield subject.problem(
            "WEBHOOK_SECRET",
            f"needs {MIN_TOKEN} characters or more with WEBHOOK_URL",
            "make one: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )


def live(subject: Subject) -> Iterator[SettingError]:
    """Live trading needs real credentials, a token, and consent to every switched-off rule."""
    settings = subject.settings
    if settings.mode != "live" or not subject.trading:
        return
    for name, secret in (("API_KEY", settings.api_key), ("API_SECRET", settings.api_secret)):
        if not secret:
            yield subject.problem(name, "is required in live", f"set {name} or {name}_FILE, or MODE=paper")
        elif _PLACEHOLDER.fullmatch(secret.reveal()):
            yield subject.problem(name, "still is a placeholder", "set the real one, or MODE=paper")
    token = settings.api_token.reveal()
    if len(token) < MIN_TOKEN or _PLACEHOLDER.fullmatch(token):
        yield subject.problem(
            "API_TOKEN",
            f"must have at least {MIN_TOKEN} characters in live",
            "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    if settings.risk_disabled_rules and not settings.risk_allow_disabled:
        yield subject.problem(
            "RISK_DISABLED_RULES",
            "switches risk rules off in live",
            "remove it, or confirm with RISK_ALLOW_DISABLED=true",
        )
    if settings.risk_rule_files or any(name.endswith(".py") for name in settings.strategy_set):
        name = "RISK_RULE_FILES" if settings.risk_rule_files else "STRATEGY_SET"
        yield subject.problem(
            name, "names single files in live", "install the plugin as a package (cab new), or MODE=paper"
        )


def redis_address(name: str) -> Rule:
    """Return the rule that a setting with an address of Redis needs its package and a readable address."""

    def rule(subject: Subject) -> Iterator[SettingError]:
        address = getattr(subject.settings, name.lower()).reveal()
        if not address or not subject.trading:
            return
        if find_spec("redis") is None:
            yield subject.problem(
                name, "needs the package redis, which is not installed", "pip install 'cab-core[redis]'"
            )
        try:
            known = urlsplit(address)
            readable = bool(known.hostname) and known.port != 0
        except ValueError:
            readable = False
        if not readable:
            yield subject.problem(
                name,
                "has no readable host and port",
                "write redis://:PASSWORD@HOST:6379/0; in the password write %40 for @ and %2F for /",
            )

    return rule


def quote_amounts(subject: Subject) -> Iterator[SettingError]:
    """A default in dollars is not taken for an account in another currency."""
    if subject.trading:
        yield from unset_amounts(subject.settings, subject.given, subject.settings.symbols)


#: Each rule with the settings it looks at; it is skipped when one of them could not be parsed.
RULES: tuple[tuple[frozenset[str], Rule], ...] = (
    (frozenset({"TAKE_PROFIT_1_PCT", "TAKE_PROFIT_2_PCT"}), take_profits),
    (frozenset({"FUSION_W_TECHNICAL", "FUSION_W_AI"}), fusion_weights),
    (frozenset({"AI_ENABLED", "AI_MODEL_PATH"}), models),
    (frozenset({"DMS_RESTART_SEC", "DMS_RECHECK_SEC", "DMS_TIMEOUT_SEC"}), dead_man),
    (frozenset({"EXITS_INTERVAL_SEC", "MAX_POSITIONS", "SYMBOLS", "BROKER_RATE_RPS"}), looks_at_exits),
    (
        frozenset({"TELEGRAM_BOT_TOKEN", "TELEGRAM_CHAT_ID", "TELEGRAM_ADMINS", "TELEGRAM_ALLOWED_USERS"}),
        telegram,
    ),
    (frozenset({"WEBHOOK_URL", "WEBHOOK_SECRET"}), webhook),
    (frozenset({"EVENT_BUS_URL"}), redis_address("EVENT_BUS_URL")),
    (frozenset({"INSTANCE_KEY_URL"}), redis_address("INSTANCE_KEY_URL")),
    (frozenset({"MODE", "SYMBOLS"}), quote_amounts),
    (frozenset({"MODE", "RISK_ALLOW_DISABLED", "RISK_DISABLED_RULES", "STRATEGY_SET"}), live),
)


def problems_of(subject: Subject, broken: frozenset[str]) -> Iterator[SettingError]:
    """Yield the problems of all rules whose settings could be parsed; ``broken`` are the others."""
    for names, rule in RULES:
        if not names & broken:
            yield from rule(subject)


def warnings_of(subject: Subject) -> Iterator[str]:
    """Yield what is allowed but probably not meant."""
    settings = subject.settings
    break_even = 2 * settings.paper_fee_pct + Decimal("0.1")
    if settings.take_profit_1_pct <= break_even:
        yield (
            f"TAKE_PROFIT_1_PCT = {settings.take_profit_1_pct} hardly covers both fees: "
            f"it should be above {break_even} (twice PAPER_FEE_PCT plus 0.1)"
        )
    least = NOTIONAL_MARGIN * settings.paper_min_notional
    if settings.mode == "paper" and settings.fixed_amount < least:
        yield (
            f"FIXED_AMOUNT = {settings.fixed_amount} is below {least} (1.05 times PAPER_MIN_NOTIONAL): "
            "every entry will be refused as below_min_notional"
        )
    if settings.dms_restart_sec < 3 * settings.watchdog_interval_sec:
        yield (
            f"DMS_RESTART_SEC = {settings.dms_restart_sec} is less than three times WATCHDOG_INTERVAL_SEC "
            f"({settings.watchdog_interval_sec}): one slow cycle may get the bot killed"
        )
    for name in sorted(set(settings.strategy_weights) - set(settings.strategy_set)):
        yield f"STRATEGY_WEIGHTS names {name}, which is not in STRATEGY_SET"
    for name in settings.risk_disabled_rules:
        yield f"risk rule {name} is switched off by RISK_DISABLED_RULES"
    if settings.telegram_bot_token and not settings.telegram_allowed_users:
        yield "TELEGRAM_ALLOWED_USERS is empty: the Telegram bot sends alerts and takes no commands"
    if settings.telegram_allowed_users and not settings.telegram_admins:
        yield "TELEGRAM_ADMINS is empty: every allowed user may pause, resume and stop"
