"""The walk of one start: which plugin gets how far along the road, and what that means for the start."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias

import attrs

from cab_core.errors import CabError, ConfigError, PluginError
from cab_core.plugins.bound import Bound
from cab_core.plugins.files import is_file, load_file
from cab_core.plugins.host import Host
from cab_core.plugins.inventory import Origin, PluginRecord, Status
from cab_core.plugins.kinds import Kind, plugin_id
from cab_core.plugins.loading import load_classes, load_driver
from cab_core.plugins.params import structure
from cab_core.plugins.policy import POLICIES, OnLoadFailure
from cab_core.plugins.report import missing_rules
from cab_core.plugins.selection import not_installed, wanted_rules

#: Options by kind and plugin name, as texts or values of the option's own type.
Options: TypeAlias = Mapping[Kind, Mapping[str, Mapping[str, object]]]


class Road:
    """Walks the plugins of one start along the road and keeps the books."""

    def __init__(
        self,
        records: list[PluginRecord],
        options: Options,
        place: Callable[[Kind, str], str],
        *,
        live: bool,
        allow: Collection[str],
        skip_broken: bool,
    ) -> None:
        self.records = records
        self.problems: list[CabError] = []
        self.warnings: list[str] = []
        self._options = {
            kind: {name.lower(): section for name, section in options.get(kind, {}).items()} for kind in Kind
        }
        self._place = place
        self._live = live
        self._allow = allow
        self._skip_broken = skip_broken
        self._file_classes: dict[str, type] = {}

    def rules(self, disabled: Collection[str]) -> list[str]:
        """Return the names of the risk rules to load and mark the disabled ones."""
        names, marked, problems, warnings = wanted_rules(self.records, disabled)
        self.records = marked
        self.problems += problems
        self.warnings += [*warnings, *missing_rules(self.records)]
        self._warn_of_unused(Kind.RISK)
        return names

    def names(self, kind: Kind, asked: Sequence[str]) -> list[str]:
        """Return the plugin names for what the settings name, in any case or by the path of a file."""
        names = [self.add_file(name) if is_file(name) else name.lower() for name in asked]
        for name in sorted({name for name in names if names.count(name) > 1}):
            where = plugin_id(kind, name)
            self.problems.append(PluginError(f"{name!r} is named twice", where=where, fix="name it once"))
        self._warn_of_unused(kind)
        return list(dict.fromkeys(names))

    def _warn_of_unused(self, kind: Kind) -> None:
        installed = {record.name for record in self.records if record.kind is kind}
        for name in sorted(self._options[kind].keys() - installed):
            self.warnings.append(f"{self._place(kind, name)} has options for a plugin that is not installed")

    def add_file(self, reference: str) -> str:
        """Load the file and add its plugin to the records; return its name."""
        if self._live:
            error = PluginError(
                f"{reference} is a single file", fix="live trading takes installed packages only: cab new"
            )
            self.problems.append(error)
            return reference
        try:
            record, cls = load_file(reference)
        except CabError as error:
            self.problems.append(error)
            return reference
        if any(other.id == record.id for other in self.records):
            taken = PluginError(f"{record.id} is taken", where=reference, fix="rename the class")
            self.problems.append(taken)
            return reference
        self.records.append(record)
        self._file_classes[record.id] = cls
        return record.name

    def load(self, kind: Kind, names: Sequence[str]) -> list[Bound]:
        """Import, configure and register the named plugins; what fails goes to problems or warnings."""
        wanted = [name for name in names if self._usable(kind, name)]
        classes = self._classes(kind, wanted)
        host = Host(kind)
        bound: list[Bound] = []
        for name in wanted:
            if name not in classes:
                continue
            record = self._record(kind, name)
            try:
                section = self._options[kind].get(name, {})
                plugin: object = structure(classes[name], section, self._place(kind, name))
                bound.append(host.register(record, plugin))
            except ConfigError as error:
                self._failed(kind, name, str(error), error.problems)
            except CabError as error:
                self._failed(kind, name, str(error), [error])
            else:
                self._mark(attrs.evolve(record, status=Status.ACTIVE))
        return bound

    def _classes(self, kind: Kind, names: Sequence[str]) -> dict[str, type]:
        files = {n: self._file_classes[plugin_id(kind, n)] for n in names if self._is_loaded_file(kind, n)}
        installed = [name for name in names if name not in files]
        if kind is Kind.BROKER:
            return files | self._driver(installed)
        loaded = load_classes(kind, self.records, installed)
        for name, reason in loaded.failures.items():
            self._failed(kind, name, f"import failed: {reason}", [])
        return files | loaded.classes

    def _driver(self, names: Sequence[str]) -> dict[str, type]:
        classes = {}
        for name in names:
            try:
                classes[name] = load_driver(Kind.BROKER, self.records, name)
            except PluginError as error:
                self._failed(Kind.BROKER, name, error.what, [])
        return classes

    def _is_loaded_file(self, kind: Kind, name: str) -> bool:
        return plugin_id(kind, name) in self._file_classes

    def _usable(self, kind: Kind, name: str) -> bool:
        """Say whether the inventory has a plugin that may be loaded; report why not otherwise."""
        if is_file(name):
            return False  # reported when the file was loaded
        matches = [r for r in self.records if r.kind is kind and r.name == name]
        if not matches:
            self._failed(kind, name, "", [not_installed(kind, name, self.records)])
            return False
        record = matches[0]
        if record.status is not Status.AVAILABLE:
            self._failed(kind, name, record.reason, [])
            return False
        if self._live and record.origin is Origin.THIRD_PARTY and record.id not in self._allow:
            reason = f"{record.source} is a third party's package and not allowed to trade live"
            fix = f"if you trust it, add {record.id} to PLUGINS_ALLOWED"
            self._failed(kind, name, reason, [PluginError(reason, where=record.id, fix=fix)])
            return False
        return True

    def _record(self, kind: Kind, name: str) -> PluginRecord:
        return next(record for record in self.records if record.kind is kind and record.name == name)

    def _mark(self, marked: PluginRecord) -> None:
        self.records = [marked if record.id == marked.id else record for record in self.records]

    def _failed(self, kind: Kind, name: str, reason: str, errors: Sequence[CabError]) -> None:
        """Note a plugin that cannot be used; its kind's policy decides what that means for the start."""
        where = plugin_id(kind, name)
        for record in self.records:
            if record.id == where and record.status is Status.AVAILABLE:
                self._mark(record.refused(Status.FAILED, reason))
                break
        fix = f"run: cab plugins doctor {where}"
        causes = list(errors) or [PluginError(reason, where=where, fix=fix)]
        tolerated = self._skip_broken and kind is Kind.STRATEGY and not self._live
        if POLICIES[kind].load is OnLoadFailure.REFUSE and not tolerated:
            self.problems += causes
        else:
            self.warnings += [f"{POLICIES[kind].load.value}: {where}: {cause}" for cause in causes]
