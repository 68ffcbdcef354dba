"""The table of settings. Everything else derives from it: parsing, checks, ``cab config``, docs."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import attrs

from cab_core.secret import Secret
from cab_core.settings.guarding import RegimeSettings, RiskSettings
from cab_core.settings.operating import MessageSettings, OperationSettings, PaperSettings
from cab_core.settings.serving import ApiSettings
from cab_core.settings.setting import OptionKey, Setting, rows_of, section
from cab_core.settings.trading import (
    ExitSettings,
    FilterSettings,
    FusionSettings,
    MarketSettings,
    RunSettings,
    StrategySettings,
)
from cab_core.textfile import read_text

#: Options by kind table, plugin and parameter. Values are texts, lists or tables of texts, as written.
PluginOptions: TypeAlias = Mapping[str, Mapping[str, Mapping[str, object]]]

#: The source of a value that nothing sets.
CODE = "code default"

#: Tables of ``cab.toml`` that hold options of plugins.
OPTION_TABLES = ("strategies", "risk_rules", "macro_sources", "brokers", "notifiers")

_SECTIONS: dict[str, type[Any]] = {
    "Run": RunSettings,
    "Market data": MarketSettings,
    "Strategies": StrategySettings,
    "Trend and volume filters": FilterSettings,
    "Fusion and AI": FusionSettings,
    "Regime": RegimeSettings,
    "Risk": RiskSettings,
    "Protective exits": ExitSettings,
    "Paper": PaperSettings,
    "Operation": OperationSettings,
    "HTTP API": ApiSettings,
    "Messages": MessageSettings,
}


@section
class Settings(
    MessageSettings,
    ApiSettings,
    OperationSettings,
    PaperSettings,
    ExitSettings,
    RiskSettings,
    RegimeSettings,
    FusionSettings,
    FilterSettings,
    StrategySettings,
    MarketSettings,
    RunSettings,
):
    """All settings, parsed and checked. Without arguments: the code's defaults.

    Percent settings are in percent (``Decimal("5.0")`` is 5 %), ``*_sec`` are whole seconds.

    Attributes:
        plugin_options: explicitly set options by kind table, plugin and parameter, e.g.
            ``{"strategies": {"ema_atr": {"ema_short": "12"}}}``; values are texts (or lists of texts).
        sources: where each setting came from, by name; empty if they were not loaded.
    """

    plugin_options: PluginOptions = attrs.field(factory=lambda: MappingProxyType({}))
    sources: Mapping[str, str] = attrs.field(factory=lambda: MappingProxyType({}), eq=False, repr=False)

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={text!r}' for name, text in self.texts().items())})"

    @property
    def starts_automatically(self) -> bool:
        """Whether trading starts with the process: AUTOSTART, or else only in paper."""
        return self.mode == "paper" if self.autostart is None else self.autostart

    @property
    def account_name(self) -> str:
        """The name of the account: ACCOUNT, or else ``MODE:EXCHANGE``."""
        return self.account or f"{self.mode}:{self.exchange}"

    @property
    def notifiers(self) -> tuple[str, ...]:
        """The notifiers of a run: the named ones, Telegram once it has a token, the webhook once a URL."""
        switched = {"telegram": self.telegram_bot_token, "webhook": self.webhook_url}
        more = tuple(name for name, on in switched.items() if on and name not in self.notifier_set)
        return (*self.notifier_set, *more)

    def options_of(self, table: str, plugin: str) -> Mapping[str, object]:
        """Return the explicitly set options of one plugin, e.g. ``("strategies", "ema_atr")``."""
        return self.plugin_options.get(table, {}).get(plugin, {})

    def texts(self) -> dict[str, str]:
        """Return every setting by name as text, secrets masked: fit to be shown, logged and hashed."""
        return {row.name: text_of(row, getattr(self, row.attribute)) for row in SETTINGS}

    def secret_texts(self) -> tuple[str, ...]:
        """Return every text that must never appear in output, for the masks of logs."""
        secrets = [getattr(self, row.attribute).reveal() for row in SETTINGS if row.secret]
        passwords = [urlsplit(text).password or "" for text in secrets if "://" in text]
        return tuple(text for text in (*secrets, *passwords) if text)


#: The table.
SETTINGS: tuple[Setting, ...] = tuple(
    row for heading, sections in _SECTIONS.items() for row in rows_of(sections, heading)
)

#: Rows by name and by alias.
BY_NAME: Mapping[str, Setting] = {
    **{row.name: row for row in SETTINGS},
    **{alias: row for row in SETTINGS for alias in row.aliases},
}


def hide_secrets(environment: MutableMapping[str, str]) -> dict[str, str]:
    """Take every secret setting out of an environment, before foreign code is loaded, and return them.

    That keeps plugins from reading them by accident or habit; it is no wall against one that means harm. Of
    ``<NAME>_FILE`` the content is returned: a service manager takes its files away when the service dies,
    which is when the dead man's switch needs them.
    """
    names = [name for row in SETTINGS if row.secret for name in (row.name, *row.aliases)]
    taken = {name: environment.pop(name) for name in names if name in environment}
    for name in names:
        file = environment.get(f"{name}_FILE")
        with suppress(OSError):
            if file is not None:
                taken[name] = read_text(Path(file).expanduser()).strip()
                del environment[f"{name}_FILE"]
    return taken


#: What a name of the seed stands for, as options of plugins.
OPTION_NAMES: Mapping[str, tuple[OptionKey, ...]] = {row.name: row.options for row in SETTINGS if row.options}


def text_of(row: Setting, value: Any) -> str:
    """Return a value as the text a user would write; secrets as ``***`` or empty.

    Addresses lose what may be a credential: user, password and the values of the query.
    """
    if isinstance(value, Secret):
        return "***" if value else ""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, Mapping):
        return ",".join(f"{name}:{weight:.15g}" for name, weight in value.items())
    if row.name.endswith("_URL"):
        return mask_address(value)
    return str(value)


def mask_address(address: str) -> str:
    """Return an address without user, password and query values."""
    parts = urlsplit(address)
    if "@" in parts.netloc:
        parts = parts._replace(netloc=f"***@{parts.netloc.rpartition('@')[2]}")
    if parts.query:
        parts = parts._replace(query="***")
    return parts.geturl()
