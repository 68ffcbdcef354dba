"""Tries one plugin in a process of its own, so that whatever it does, ``cab plugins doctor`` lives on.

Run as ``python -m cab_core.plugins.probe ID``; the last line of the output is JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys

import attrs

from cab_core.errors import CabError
from cab_core.plugins.bound import Bound, BoundStrategy
from cab_core.plugins.host import Host
from cab_core.plugins.inventory import PluginRecord, take_inventory
from cab_core.plugins.kinds import SECTIONS, Kind
from cab_core.plugins.lifecycle import health_of
from cab_core.plugins.loading import load_classes
from cab_core.plugins.params import structure
from cab_core.plugins.smoke import try_rule, try_strategy


@attrs.frozen
class Check:
    """One thing looked at: ``import``, ``options``, ``hooks``, ``answers`` or ``health``."""

    name: str
    ok: bool
    detail: str = ""


def probe(record: PluginRecord) -> list[Check]:
    """Import, configure with defaults, register and try one plugin; stops at the first thing that fails."""
    loaded = load_classes(record.kind, [record], [record.name])
    if record.name in loaded.failures:
        return [Check("import", ok=False, detail=loaded.failures[record.name])]
    checks = [Check("import", ok=True)]
    try:
        section = f"{SECTIONS[record.kind]}.{record.name}"
        plugin: object = structure(loaded.classes[record.name], {}, section)
        checks.append(Check("options", ok=True))
        bound = Host(record.kind).register(record, plugin)
    except CabError as error:
        return [*checks, Check("options" if len(checks) == 1 else "hooks", ok=False, detail=str(error))]
    checks.append(Check("hooks", ok=True, detail=", ".join(sorted(bound.hooks))))
    return [*checks, _answers(bound), *_health(bound)]


def _answers(bound: Bound) -> Check:
    if isinstance(bound, BoundStrategy):
        fault = try_strategy(bound)
    elif bound.record.kind is Kind.RISK:
        fault = try_rule(bound)
    else:
        return Check("answers", ok=True, detail="not called: it talks to the world outside")
    return Check("answers", ok=not fault, detail=fault)


def _health(bound: Bound) -> list[Check]:
    checks = []
    for outcome in asyncio.run(health_of([bound])):
        health = outcome.value
        detail = outcome.reason if health is None else health.detail
        checks.append(Check("health", ok=health is not None and health.ok, detail=detail))
    return checks


def main() -> None:
    """Probe the plugin whose id is the only argument and print its checks."""
    wanted = sys.argv[1]
    with contextlib.redirect_stdout(sys.stderr):  # a plugin that prints must not spoil the answer
        record = next(record for record in take_inventory() if record.id == wanted)
        checks = probe(record)
    sys.stdout.write("\n" + json.dumps([attrs.asdict(check) for check in checks]) + "\n")


if __name__ == "__main__":
    main()
