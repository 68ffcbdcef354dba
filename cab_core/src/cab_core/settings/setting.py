"""What is known about one setting, and how it is declared as a typed attribute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar, dataclass_transform

import attrs

from cab_core.secret import Secret
from cab_core.settings.parse import Kind

T = TypeVar("T")
C = TypeVar("C", bound=type)

_DECLARED = "cab.setting"

#: An option of a plugin: kind table, plugin, parameter; e.g. ``("strategies", "ema_atr", "ema_short")``.
OptionKey = tuple[str, str, str]


@attrs.frozen(slots=True, kw_only=True)
class Setting:
    """One row of the table of settings.

    Attributes:
        name: upper-case name used in the environment, ``.env`` and ``--set``; any case in ``cab.toml``.
        kind: parser and rule.
        default: text used when nothing sets it.
        help: what it does, one or two sentences, with the unit.
        section: heading it stands under.
        secret: never shown; also read from ``<NAME>_FILE``.
        required: a trading run refuses to start without it.
        options: plugin options it is another name for; passed on only when set.
        aliases: other names of the same setting.
        in_quote: an amount of the account's quote currency, whose default is meant in dollars.
    """

    name: str
    kind: Kind[Any]
    default: str
    help: str
    section: str
    secret: bool
    required: bool
    options: tuple[OptionKey, ...]
    aliases: tuple[str, ...]
    in_quote: bool

    @property
    def attribute(self) -> str:
        """Name of the typed attribute of `Settings`."""
        return self.name.lower()

    @property
    def rule(self) -> str:
        """The rule in words."""
        return f"required; {self.kind.rule}" if self.required else self.kind.rule


@attrs.frozen(slots=True)
class _Declared:
    default: str
    kind: Kind[Any]
    help: str
    required: bool = False
    options: tuple[OptionKey, ...] = ()
    aliases: tuple[str, ...] = ()
    in_quote: bool = False


@dataclass_transform(kw_only_default=True, frozen_default=True)
def section(cls: C) -> C:
    """Turn a class of declared settings into a frozen attrs class."""
    defined: C = attrs.frozen(cls, kw_only=True, slots=False)
    return defined


def setting(
    default: str,
    kind: Kind[T],
    help: str,  # noqa: A002 - the word authors know from click and argparse
    *,
    options: tuple[OptionKey, ...] = (),
    aliases: tuple[str, ...] = (),
    in_quote: bool = False,
) -> T:
    """Declare a setting with a default text as a typed attribute of a section class."""
    declared = _Declared(default, kind, help, options=options, aliases=aliases, in_quote=in_quote)
    field: T = attrs.field(factory=lambda: kind.parse(default), metadata={_DECLARED: declared})
    return field


def required(kind: Kind[T], help: str, *, unset: T) -> T:  # noqa: A002 - as in `setting`
    """Declare a setting a trading run cannot do without; ``unset`` is its value where none is needed."""
    field: T = attrs.field(default=unset, metadata={_DECLARED: _Declared("", kind, help, required=True)})
    return field


def rows_of(section_class: type[Any], heading: str) -> Iterator[Setting]:
    """Yield the rows a section class itself declares, in order."""
    for field in attrs.fields(section_class):
        declared: _Declared = field.metadata[_DECLARED]
        yield Setting(
            name=field.name.upper(),
            kind=declared.kind,
            default=declared.default,
            help=declared.help,
            section=heading,
            secret=not declared.required and isinstance(declared.kind.parse(declared.default), Secret),
            required=declared.required,
            options=declared.options,
            aliases=declared.aliases,
            in_quote=declared.in_quote,
        )
