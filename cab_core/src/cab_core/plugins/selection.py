"""Which plugins a run wants, and what to say about a name that is not there."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from cab_core.errors import CabError, PluginError
from cab_core.nearest import nearest
from cab_core.plugins.inventory import PluginRecord, Status
from cab_core.plugins.kinds import BUILT_IN_RULES, Kind, plugin_id


def not_installed(kind: Kind, name: str, records: Sequence[PluginRecord]) -> CabError:
    """Return the error for a name that no installed package offers."""
    installed = sorted({record.name for record in records if record.kind is kind})
    if len(several := name.split()) > 1 and set(several) <= {*installed}:
        fix = f"separate names by commas: {','.join(several)}"
    elif not installed:
        fix = f"no {kind.value} plugin is installed: pip install cab-plugins"
    else:
        near = nearest(name, installed)
        hint = f"did you mean {near}? " if near else ""
        fix = f"{hint}installed: {', '.join(installed)}"
    return PluginError(f"{name!r} is not installed", where=plugin_id(kind, name), fix=fix)


def wanted_rules(
    records: Sequence[PluginRecord], disabled: Collection[str]
) -> tuple[list[str], list[PluginRecord], list[CabError], list[str]]:
    """Decide which risk rules run: all that are installed, except the disabled ones.

    Returns:
        Names to load, records with the disabled ones marked, problems, warnings.
    """
    off = {name.lower() for name in disabled}
    rules = {record.name for record in records if record.kind is Kind.RISK}
    problems = [not_installed(Kind.RISK, name, records) for name in sorted(off - rules - {*BUILT_IN_RULES})]
    warnings = [f"risk rule {name} is disabled by RISK_DISABLED_RULES" for name in sorted(off & rules)]
    marked = [
        record.refused(Status.DISABLED, "RISK_DISABLED_RULES names it")
        if record.kind is Kind.RISK and record.name in off
        else record
        for record in records
    ]
    return sorted(rules - off), marked, problems, warnings
