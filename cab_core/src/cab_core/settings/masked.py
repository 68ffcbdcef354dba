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


def is_credential(param: str, value: object) -> bool:
    """Say whether an option may be a credential, by its name or as its setting declares it."""
    return isinstance(value, Secret) or _CREDENTIAL.search(param) is not None


def _masked(param: str, value: object) -> object:
    if is_credential(param, value):
        return "***"
    return mask_address(value) if isinstance(value, str) and "://" in value else value
