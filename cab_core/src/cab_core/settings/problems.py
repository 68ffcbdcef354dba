"""One wrong setting, as it is shown to the user."""

from __future__ import annotations

from cab_core.errors import CabError, ExitCode
from cab_core.settings.schema import BY_NAME, mask_address
from cab_core.settings.setting import Setting


class SettingError(CabError):
    """One setting is wrong. `cab_core.errors.ConfigError` carries all of them.

    Args:
        name: the setting, or the name as the user wrote it.
        why: what is wrong, completing "NAME = 'value': ...".
        value: the text as given, None if there is none; never shown for secrets.
        source: where the value came from, e.g. ``environment`` or ``cab.toml``.
        fix: what to write instead.
    """

    code = "CAB-E301"
    exit_code = ExitCode.CONFIG

    def __init__(
        self, name: str, why: str, *, value: str | None = None, source: str = "", fix: str = ""
    ) -> None:
        row = BY_NAME.get(name)
        shown = "" if value is None else f" = {shown_value(row, value)}"
        rule = row.rule if row else ""
        super().__init__(
            f"{name}{shown}: {why}", where=source, fix=fix or f"set {name} to {rule or 'a known name'}"
        )
        self.name = name
        self.rule = rule


def shown_value(row: Setting | None, value: str) -> str:
    """Return a raw text quoted, masked if it is or may be a credential."""
    if row is not None and row.secret:
        return "'***'" if value else "''"
    return repr(mask_address(value) if "://" in value else value[:200])
