"""Everything there is to know about one plugin, for ``cab plugins info`` and the API."""

from __future__ import annotations

import inspect
from typing import Any

import attrs

from cab_core.errors import CabError, PluginError
from cab_core.plugins.bound import BoundStrategy
from cab_core.plugins.host import Host
from cab_core.plugins.inventory import PluginRecord, Status
from cab_core.plugins.isolation import attempt
from cab_core.plugins.kinds import SECTIONS
from cab_core.plugins.loading import load_classes
from cab_core.plugins.params import describe_options, structure
from cab_core.plugins.registration import hook_functions


def describe_plugin(record: PluginRecord) -> dict[str, Any]:
    """Import one plugin and describe it; the keys are API.

    Raises:
        PluginError: the inventory refuses it, or it cannot be imported.
    """
    if record.status is not Status.AVAILABLE:
        raise PluginError(record.reason, where=record.id, fix="run: cab plugins doctor")
    loaded = load_classes(record.kind, [record], [record.name])
    if record.name in loaded.failures:
        reason = loaded.failures[record.name]
        raise PluginError(f"import failed: {reason}", where=record.id, fix=f"correct {record.source}")
    cls = loaded.classes[record.name]
    warmup, reason = _warmup(record, cls)
    file, _ = attempt(inspect.getfile, cls)
    return {
        "id": record.id,
        "kind": record.kind.value,
        "name": record.name,
        "summary": _summary(cls),
        "dist": record.dist,
        "version": record.version,
        "origin": record.origin.value,
        "requires": record.requires,
        "target": record.target,
        "file": file or "",
        "hooks": sorted(hook_functions(cls)),
        "warmup_bars": warmup,
        "options": [attrs.asdict(row) for row in describe_options(cls)],
        "section": f"{SECTIONS[record.kind]}.{record.name}",
        "reason": reason,
    }


def _summary(cls: type) -> str:
    doc = inspect.getdoc(cls) or inspect.getdoc(inspect.getmodule(cls)) or ""
    return doc.strip().split("\n\n")[0].replace("\n", " ")


def _warmup(record: PluginRecord, cls: type) -> tuple[int | None, str]:
    """Return the warm-up with default options (strategies only) and why the plugin cannot be registered."""
    try:
        plugin: object = structure(cls, {}, f"{SECTIONS[record.kind]}.{record.name}")
        bound = Host(record.kind).register(record, plugin)
    except CabError as error:
        return None, str(error)
    return (bound.warmup_bars if isinstance(bound, BoundStrategy) else None), ""
