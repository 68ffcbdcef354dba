"""Options of plugins, fit to be shown."""

from __future__ import annotations

import re

from cab_core.secret import Secret
from cab_core.settings.schema import PluginOptions, mask_address

_CREDENTIAL = re.compile(r"(?i)key|secret|token|passw|credential|auth")


def masked_options(options: PluginOptions) -> dict[str, dict[str, dict[str, object]]]:
    """Return the options of plugins with the values masked that may be credentials."""
    return {
        kind: {
            plugin: {param: _masked(param, value) for param, value in params.items()}
            for plugin, params in plugins.items()
        }
        for kind, plugins in options.items()
    }


def _masked(param: str, value: object) -> object:
    if _CREDENTIAL.search(param) or isinstance(value, Secret):
        return "***"
    return mask_address(value) if isinstance(value, str) and "://" in value else value
