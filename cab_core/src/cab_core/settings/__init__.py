"""Settings: one table, one parser, all problems reported together."""

from __future__ import annotations

from cab_core.settings.load import Loaded, load_settings, missing_for_run, read_settings
from cab_core.settings.problems import SettingError
from cab_core.settings.schema import OPTION_TABLES, SETTINGS, PluginOptions, Settings

__all__ = [
    "OPTION_TABLES",
    "SETTINGS",
    "Loaded",
    "PluginOptions",
    "SettingError",
    "Settings",
    "load_settings",
    "missing_for_run",
    "read_settings",
]
