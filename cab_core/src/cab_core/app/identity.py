"""What makes a run the run it is: the settings that decide, its plugins, its data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from cab_core import __version__
from cab_core.app.config import ADDRESS_OPTION
from cab_core.plugins.bound import Bound
from cab_core.plugins.files import is_file
from cab_core.plugins.inventory import Origin
from cab_core.plugins.kinds import SECTIONS, Kind
from cab_core.report.facts import PluginFacts
from cab_core.settings.masked import is_credential
from cab_core.settings.schema import SETTINGS, PluginOptions, Settings, text_of
from cab_core.settings.setting import Setting

_SECTIONS = frozenset(
    {
        "Market data",
        "Strategies",
        "Trend and volume filters",
        "Fusion and AI",
        "Regime",
        "Risk",
        "Protective exits",
        "Paper",
    }
)
#: Settings of these sections that only matter where something is fetched, sent or watched.
_ELSEWHERE = (
    "AI_",
    "EXITS_EXCHANGE_STOP",
    "EXITS_INTERVAL_SEC",
    "PAPER_LATENCY_MS",
    "REGIME_ALLOW_HOSTS",
    "REGIME_BTC_DOM_JSON_POINTER",
    "REGIME_BTC_DOM_KIND",
    "REGIME_BTC_DOM_URL",
    "REGIME_DXY_JSON_POINTER",
    "REGIME_DXY_KIND",
    "REGIME_DXY_URL",
    "REGIME_FOMC_URL",
    "RISK_ALLOW_DISABLED",
)
#: The kinds of plugins that decide in a replay.
_KINDS = ("strategies", "risk_rules", "macro_sources")
_FILE_LISTS = ("STRATEGY_SET", "RISK_RULE_FILES")


def deciding_rows() -> list[Setting]:
    """Return the settings that decide what a replay does."""
    return [
        row
        for row in SETTINGS
        if row.name == "FIXED_AMOUNT" or (row.section in _SECTIONS and not row.name.startswith(_ELSEWHERE))
    ]


def exact_texts(settings: Settings) -> dict[str, str]:
    """Return the deciding settings as texts that parse to the very same values."""
    return {row.name: _exact(row, getattr(settings, row.attribute)) for row in deciding_rows()}


def shown_texts(settings: Settings) -> dict[str, str]:
    """Return the deciding settings as texts without folders of this machine; options of plugins follow."""
    return _shown(exact_texts(settings), deciding_options(settings))


def chosen_texts(
    recorded: Mapping[str, str], options: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> dict[str, str]:
    """Return what was chosen in a recorded run: deciding settings that are not their defaults, and options.

    Args:
        recorded: of `exact_texts`.
        options: of `deciding_options`.
    """
    usual = {row.name: _exact(row, row.kind.parse(row.default)) for row in deciding_rows() if row.default}
    return _shown({n: text for n, text in recorded.items() if text != usual.get(n, "")}, options)


def _shown(
    texts: Mapping[str, str], options: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> dict[str, str]:
    shown = dict(texts)
    for name in _FILE_LISTS:
        if shown.get(name):
            shown[name] = ",".join(_base_name(item) for item in shown[name].split(","))
    for table, plugins in options.items():
        for plugin, given in plugins.items():
            shown |= {f"{table}.{plugin}.{option}": str(value) for option, value in given.items()}
    return shown


def deciding_options(settings: Settings) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the explicitly set options of the plugins that decide, as plain data.

    Where a macro source is fetched, and with which key, decides nothing about what it reads.
    """
    return {
        table: {plugin: _deciding(table, given) for plugin, given in settings.plugin_options[table].items()}
        for table in _KINDS
        if table in settings.plugin_options
    }


def settings_from(texts: Mapping[str, str], options: PluginOptions) -> Settings:
    """Return the settings that `exact_texts` and `deciding_options` described; the rest is default.

    Raises:
        ValueError: a text breaks the rule of its setting.
    """
    values = {row.attribute: row.kind.parse(texts[row.name]) for row in deciding_rows() if row.name in texts}
    return Settings(**values, plugin_options=options)


def rooted(settings: Settings) -> Settings:
    """Return the settings with the single files they name as absolute paths."""
    lists = {name.lower(): _absolute(getattr(settings, name.lower())) for name in _FILE_LISTS}
    return changed(settings, **lists)


def changed(settings: Settings, **values: Any) -> Settings:
    """Return the settings with some values replaced."""
    same = {row.attribute: getattr(settings, row.attribute) for row in SETTINGS}
    return Settings(**{**same, **values}, plugin_options=settings.plugin_options)


def plugin_facts(plugins: Iterable[Bound]) -> tuple[PluginFacts, ...]:
    """Name the plugins; a single file goes by its name, with the hash of its content as version."""
    return tuple(_plugin(bound) for bound in plugins)


def digest(*parts: object) -> str:
    """Return the hexadecimal sha256 of plain data."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def run_id(data_sha256: str, config_sha256: str, plugins: Sequence[PluginFacts], *options: object) -> str:
    """Return the twelve hexadecimal characters that name a run: equal runs, equal names."""
    versions = [[p.id, p.dist, p.version] for p in plugins]
    return digest(__version__, data_sha256, config_sha256, versions, options)[:12]


def _deciding(table: str, options: Mapping[str, Any]) -> dict[str, Any]:
    fetching = table == SECTIONS[Kind.MACRO]
    return {
        option: value
        for option, value in options.items()
        if not (fetching and (option == ADDRESS_OPTION or is_credential(option, value)))
    }


def _plugin(bound: Bound) -> PluginFacts:
    record = bound.record
    if record.origin is not Origin.FILE:
        return PluginFacts(record.id, record.dist, record.version)
    path = Path(record.target.rpartition(":")[0])
    return PluginFacts(record.id, path.name, f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}")


def _exact(row: Setting, value: Any) -> str:
    if isinstance(value, float):
        return _plain(value)
    if isinstance(value, Mapping):
        return ",".join(f"{name}:{_plain(weight)}" for name, weight in value.items())
    return text_of(row, value)


def _plain(value: float) -> str:
    """Return a number without exponent, as settings are written."""
    return f"{Decimal(repr(value)):f}"


def _base_name(reference: str) -> str:
    return Path(reference).name if is_file(reference) else reference


def _absolute(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(Path(name).expanduser().absolute()) if is_file(name) else name for name in names)
