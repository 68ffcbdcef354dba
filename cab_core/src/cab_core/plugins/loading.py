"""Importing the plugins that are wanted, and no others: stevedore over vetted entry points.

stevedore's own listing loses the distribution, caches on disk by coarse time stamps and lets
``AssertionError`` and ``SystemExit`` at import escape; so it gets entry points of ours, already vetted.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from typing import Any

import attrs
from stevedore import DriverManager, ExtensionManager, NamedExtensionManager
from stevedore.exception import NoMatches

from cab_core.errors import PluginError
from cab_core.plugins.inventory import PluginRecord, Status
from cab_core.plugins.isolation import attempt, describe
from cab_core.plugins.kinds import GROUPS, Kind


class PluginImportError(Exception):
    """Importing a plugin raised something; the text says what."""


@attrs.frozen
class VettedEntryPoint:
    """An entry point whose `load` fails with `PluginImportError` and nothing else."""

    record: PluginRecord
    entry_point: importlib.metadata.EntryPoint

    @property
    def name(self) -> str:
        """Return the plugin's name."""
        return self.record.name

    @property
    def value(self) -> str:
        """Return ``module:Class``."""
        return self.entry_point.value

    @property
    def group(self) -> str:
        """Return the entry-point group."""
        return self.entry_point.group

    @property
    def dist(self) -> importlib.metadata.Distribution | None:
        """Return the distribution it comes from."""
        return self.entry_point.dist

    def load(self) -> type:
        """Import the module and return the plugin class.

        Raises:
            PluginImportError: whatever the import raised, or the target is not a class.
        """
        loaded, error = attempt(self.entry_point.load)
        if error is not None:
            raise PluginImportError(describe(error)) from error
        if not isinstance(loaded, type):
            raise PluginImportError(f"{self.value} is not a class")
        return loaded


class _Vetted(ExtensionManager[type]):
    """Keeps stevedore to the given records."""

    vetted: Sequence[VettedEntryPoint] = ()

    def list_entry_points(self) -> list[Any]:
        """Return the vetted entry points; they quack like those of importlib.metadata."""
        return list(self.vetted)


class _NamedManager(_Vetted, NamedExtensionManager[type]):
    def __init__(self, vetted: Sequence[VettedEntryPoint], *args: Any, **kwargs: Any) -> None:
        self.vetted = vetted
        super().__init__(*args, **kwargs)


class _OneDriver(_Vetted, DriverManager[type]):
    def __init__(self, vetted: Sequence[VettedEntryPoint], *args: Any, **kwargs: Any) -> None:
        self.vetted = vetted
        super().__init__(*args, **kwargs)


@attrs.frozen
class Loaded:
    """What importing came to.

    Attributes:
        classes: plugin classes by name, in the order asked for.
        failures: why the others failed, by name; names that are not installed are in neither.
    """

    classes: dict[str, type]
    failures: dict[str, str]


def load_classes(kind: Kind, records: Sequence[PluginRecord], names: Sequence[str]) -> Loaded:
    """Import the named plugins of one kind.

    Args:
        kind: the kind to load.
        records: the inventory; only available records are loaded.
        names: what to import, in this order.
    """
    failures: dict[str, str] = {}

    def failed(_: ExtensionManager[type], point: importlib.metadata.EntryPoint, error: BaseException) -> None:
        failures[point.name] = str(error)

    manager = _NamedManager(
        _vetted(kind, records),
        GROUPS[kind],
        list(names),
        name_order=True,
        on_load_failure_callback=failed,
        on_missing_entrypoints_callback=None,
    )
    return Loaded({extension.name: extension.plugin for extension in manager}, failures)


def load_driver(kind: Kind, records: Sequence[PluginRecord], name: str) -> type:
    """Import exactly one plugin of a kind, e.g. the broker.

    Raises:
        PluginError: it is not installed or its import failed.
    """
    try:
        manager = _OneDriver(_vetted(kind, records), GROUPS[kind], name)
    except NoMatches as error:
        raise PluginError(f"{name!r} is not installed", where=f"{kind.value}:{name}") from error
    except PluginImportError as error:
        raise PluginError(f"import failed: {error}", where=f"{kind.value}:{name}") from error
    return manager.extensions[0].plugin


def _vetted(kind: Kind, records: Sequence[PluginRecord]) -> list[VettedEntryPoint]:
    return [
        VettedEntryPoint(record, record.entry_point)
        for record in records
        if record.kind is kind and record.status is Status.AVAILABLE and record.entry_point is not None
    ]
