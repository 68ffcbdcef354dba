"""What is installed, read from package metadata alone: no plugin is imported here.

Entry-point names can be taken by two packages at once, and the usual loaders then pick one silently. So
names, duplicates and ``Requires-Dist: cab-core`` bounds are judged here, before any code of theirs runs.
"""

from __future__ import annotations

import importlib.metadata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

import attrs
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

import cab_core
from cab_core.plugins.kinds import GROUPS, NAME_PATTERN, Kind, plugin_id

CORE_DIST = "cab-core"
BUNDLE_DIST = "cab-plugins"
_KINDS = {group: kind for kind, group in GROUPS.items()}


class Status(StrEnum):
    """State of a plugin; every state but the first two comes with a reason."""

    AVAILABLE = "available"
    ACTIVE = "active"
    DISABLED = "disabled"
    FAILED = "failed"
    CONFLICT = "conflict"
    INCOMPATIBLE = "incompatible"
    INVALID = "invalid"
    QUARANTINED = "quarantined"


class Origin(StrEnum):
    """Where a plugin comes from; ``bundled`` ones are named by the metadata of ``cab-plugins``."""

    BUNDLED = "bundled"
    THIRD_PARTY = "third-party"
    FILE = "file"


@attrs.frozen(kw_only=True)
class PluginRecord:
    """One plugin as its package's metadata describes it.

    Attributes:
        target: ``module:Class``, or the path of a single file.
        dist: distribution name as the package writes it; empty for a file.
        requires: its bounds on cab-core, e.g. ``<0.2,>=0.1``; empty without any.
        reason: why it cannot be used; empty while it can.
        entry_point: keeps its distribution (``entry_point.dist``); None for a file.
    """

    kind: Kind
    name: str
    target: str
    dist: str = ""
    version: str = ""
    requires: str = ""
    origin: Origin = Origin.THIRD_PARTY
    status: Status = Status.AVAILABLE
    reason: str = ""
    entry_point: importlib.metadata.EntryPoint | None = attrs.field(default=None, eq=False, repr=False)

    @property
    def id(self) -> str:
        """Return the id used on every surface."""
        return plugin_id(self.kind, self.name)

    @property
    def source(self) -> str:
        """Return where it comes from, for messages: distribution and version, or the file."""
        return f"{self.dist} {self.version}".strip() or self.target

    def refused(self, status: Status, reason: str) -> PluginRecord:
        """Return the record with a status that keeps it from use, and why."""
        return attrs.evolve(self, status=status, reason=reason)


def take_inventory(path: Sequence[str] | None = None) -> tuple[PluginRecord, ...]:
    """Return all plugins of the five groups, vetted and sorted by kind and name.

    Args:
        path: folders to look in; None for ``sys.path``.
    """
    found = list(_scan(path))
    by_id: dict[str, list[PluginRecord]] = defaultdict(list)
    for record, _ in found:
        by_id[record.id].append(record)
    vetted = [_vetted(record, requires, by_id[record.id]) for record, requires in found]
    kinds = list(Kind)
    return tuple(sorted(vetted, key=lambda r: (kinds.index(r.kind), r.name, r.dist, r.target)))


def _scan(path: Sequence[str] | None) -> Iterator[tuple[PluginRecord, Sequence[str]]]:
    seen: set[str] = set()
    bundle = _bundled(path)
    for dist in _distributions(path):
        if "[cab." not in (dist.read_text("entry_points.txt") or ""):
            continue  # most packages end here, before their metadata is parsed
        name = dist.metadata["Name"] or "unknown"
        key = canonicalize_name(name)
        if key in seen:
            continue  # the same package twice on the path (editable and stale): the first one is imported
        seen.add(key)
        origin = Origin.BUNDLED if key in bundle else Origin.THIRD_PARTY
        requires = dist.requires or []
        points = _entry_points(dist)
        if points is None:
            yield _unreadable(dist, name, origin), ()
            continue
        for point in points:
            record = PluginRecord(
                kind=_KINDS[point.group],
                name=point.name,
                target=point.value,
                dist=name,
                version=dist.metadata["Version"] or "",
                requires=",".join(_core_bounds(requires)),
                origin=origin,
                entry_point=point,
            )
            yield record, requires


def _distributions(
    path: Sequence[str] | None, name: str | None = None
) -> Iterable[importlib.metadata.Distribution]:
    if path is None:
        return importlib.metadata.distributions(name=name)
    return importlib.metadata.distributions(name=name, path=list(path))


def _entry_points(dist: importlib.metadata.Distribution) -> list[importlib.metadata.EntryPoint] | None:
    """Return the entry points of our groups, each once; None if the package's file cannot be parsed."""
    try:
        points = [point for point in dist.entry_points if point.group in _KINDS]
    except (TypeError, ValueError):  # a line without "=": their mistake must not hide other packages
        return None
    return list({(p.group, p.name, p.value): p for p in points}.values())


def _unreadable(dist: importlib.metadata.Distribution, name: str, origin: Origin) -> PluginRecord:
    text = dist.read_text("entry_points.txt") or ""
    kind = next((kind for group, kind in _KINDS.items() if f"[{group}]" in text), Kind.STRATEGY)
    return PluginRecord(
        kind=kind,
        name="unknown",
        target="",
        dist=name,
        version=dist.metadata["Version"] or "",
        origin=origin,
        status=Status.INVALID,
        reason=f"entry_points.txt of {name} cannot be parsed",
    )


def _bundled(path: Sequence[str] | None) -> frozenset[str]:
    """Return the distributions the bundle consists of, by its own metadata."""
    bundle = next(iter(_distributions(path, BUNDLE_DIST)), None)
    if bundle is None:
        return frozenset()
    return frozenset(canonicalize_name(Requirement(text).name) for text in bundle.requires or [])


def _core_requirements(requires: Sequence[str]) -> Iterator[Requirement]:
    for text in requires:
        requirement = Requirement(text)
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if applies and canonicalize_name(requirement.name) == CORE_DIST:
            yield requirement


def _core_bounds(requires: Sequence[str]) -> list[str]:
    try:
        return [str(requirement.specifier) for requirement in _core_requirements(requires)]
    except InvalidRequirement:
        return []


def _vetted(record: PluginRecord, requires: Sequence[str], same_id: list[PluginRecord]) -> PluginRecord:
    if record.status is not Status.AVAILABLE:
        return record
    if not NAME_PATTERN.fullmatch(record.name):
        reason = f"name {record.name!r} is not 2 to 40 characters of a-z, 0-9 and _, starting with a letter"
        return record.refused(Status.INVALID, reason)
    if len(same_id) > 1:
        packages = " and ".join(sorted(f"{other.source} ({other.target})" for other in same_id))
        return record.refused(
            Status.CONFLICT, f"{record.id} is offered by {packages}; neither is loaded, uninstall one"
        )
    try:
        unmet = [
            str(requirement.specifier)
            for requirement in _core_requirements(requires)
            if not requirement.specifier.contains(cab_core.__version__, prereleases=True)
        ]
    except InvalidRequirement as error:
        return record.refused(Status.INVALID, f"{record.source} has an unreadable requirement: {error}")
    if unmet:
        needs = f"{record.source} needs {CORE_DIST} {','.join(unmet)}"
        return record.refused(Status.INCOMPATIBLE, f"{needs}, installed is {cab_core.__version__}")
    return record
