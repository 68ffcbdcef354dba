"""What became of every installed plugin: the answer of ``cab plugins list``, the API and the start's log."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import attrs

from cab_core.plugins.inventory import PluginRecord, Status
from cab_core.plugins.kinds import BUILT_IN_RULES, Kind


@attrs.frozen
class PluginReport:
    """Every plugin found, each with status and reason, and what the operator should know.

    Attributes:
        records: sorted by kind and name; files at the end.
        warnings: one sentence each.
    """

    records: tuple[PluginRecord, ...]
    warnings: tuple[str, ...] = ()

    def with_quarantined(self, ids: Collection[str]) -> PluginReport:
        """Return the report as it stands while the plugins of the given ids are quarantined."""
        reason = "too many late or junk answers; release it or restart"
        records = tuple(
            record.refused(Status.QUARANTINED, reason) if record.id in ids else record
            for record in self.records
        )
        return attrs.evolve(self, records=records)

    def versions(self) -> dict[str, str]:
        """Return the version of each active plugin by id, for traces and reports."""
        return {
            record.id: f"{record.dist}=={record.version}" if record.dist else record.target
            for record in self.records
            if record.status is Status.ACTIVE
        }


def rows(records: Sequence[PluginRecord]) -> list[dict[str, str]]:
    """Return records as plain rows for tables and JSON; the keys are API."""
    return [
        {
            "id": record.id,
            "kind": record.kind.value,
            "name": record.name,
            "dist": record.dist,
            "version": record.version,
            "origin": record.origin.value,
            "status": record.status.value,
            "reason": record.reason,
        }
        for record in records
    ]


def missing_rules(records: Sequence[PluginRecord]) -> list[str]:
    """Return a warning for each built-in risk rule that is not installed."""
    installed = {record.name for record in records if record.kind is Kind.RISK}
    return [
        f"the built-in risk rule {name} is not installed: install cab-risk-{name.replace('_', '-')}"
        for name in BUILT_IN_RULES
        if name not in installed
    ]
