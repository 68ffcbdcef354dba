"""Names of a new plugin: what an author may call it, and what follows from that."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from importlib.metadata import entry_points
from types import MappingProxyType

import attrs

from cab_core.errors import UsageError

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 40


@attrs.frozen
class Family:
    """How plugins of one kind are named.

    Attributes:
        command: the word after ``cab new``.
        prefix: between ``cab-`` and the name in the distribution.
        group: entry-point group.
        table: table of ``cab.toml`` that holds the options.
        noun: the kind in a sentence.
        taken: class names the template needs for itself.
    """

    command: str
    prefix: str
    group: str
    table: str
    noun: str
    taken: frozenset[str]


def _family(command: str, prefix: str, group: str, noun: str, taken: str) -> Family:
    return Family(command, prefix, f"cab.{group}", group, noun, frozenset(taken.split()))


#: The kinds by the word after ``cab new``.
FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        family.command: family
        for family in (
            _family("strategy", "strategy", "strategies", "strategy", "Action Bars Signals Strategy When"),
            _family(
                "risk-rule", "risk", "risk_rules", "risk rule", "BookView Entry RiskRule Verdict VerdictKind"
            ),
            _family(
                "macro-source",
                "macro",
                "macro_sources",
                "macro source",
                "CabError MacroHttp MacroSource Reading",
            ),
            _family("broker", "broker", "brokers", "broker", "Account Broker BrokerPlugin Matcher Venue"),
            _family("notifier", "notifier", "notifiers", "notifier", "Alert Notifier Path"),
        )
    }
)


@attrs.frozen
class Names:
    """Everything a new plugin is called: ``my_idea`` gives ``MyIdea`` in ``cab-strategy-my-idea``."""

    family: Family
    name: str

    @property
    def dist(self) -> str:
        """Distribution, and folder it is written into."""
        return f"cab-{self.family.prefix}-{self.name.replace('_', '-')}"

    @property
    def module(self) -> str:
        """Import name."""
        return f"cab_{self.family.prefix}_{self.name}"

    @property
    def class_name(self) -> str:
        """Name of the plugin class."""
        return _class_name(self.name)

    @property
    def title(self) -> str:
        """The name in words."""
        return self.name.replace("_", " ").capitalize()

    @property
    def id(self) -> str:
        """Id on every surface."""
        return f"{self.family.prefix}:{self.name}"


def names_of(kind: str, text: str) -> Names:
    """Return the names of a new plugin; hyphens count as underscores.

    Raises:
        UsageError: the name cannot be used; the fix suggests one that can.
    """
    family = FAMILIES[kind]
    name = text.replace("-", "_")
    where = f"cab new {kind}"
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise UsageError(
            f"{text!r} is no plugin name: lower-case letters, digits and single underscores, "
            f"a letter first, at most {_LONGEST} characters",
            where=where,
            fix=f"cab new {kind} {suggestion(text)}",
        )
    if _class_name(name) in family.taken or keyword.iskeyword(_class_name(name)):
        raise UsageError(
            f"{text!r} would need a class {_class_name(name)}, a name that is taken",
            where=where,
            fix=f"cab new {kind} my_{name}",
        )
    names = Names(family, name)
    owner = _owner(names)
    if owner:
        raise UsageError(
            f"{names.id} is already offered by {owner}", where=where, fix=f"cab new {kind} my_{name}"
        )
    return names


def suggestion(text: str) -> str:
    """Return the nearest legal name to any text: ``My Idea!`` gives ``my_idea``."""
    words = re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text).lower())
    name = "_".join(words)[:_LONGEST].rstrip("_")
    if not name:
        return "my_idea"
    return name if name[0].isalpha() else f"my_{name}"[:_LONGEST]


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _owner(names: Names) -> str:
    """Return the installed distribution that already offers the name; empty if there is none."""
    points = entry_points(group=names.family.group, name=names.name)
    return next((str(point.dist.name) for point in points if point.dist), "")
