"""Structuring a plugin's options: text from the environment or typed TOML values into its attrs class."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal, TypeVar, get_args, get_origin

import attrs

from cab_core.errors import CabError, ConfigError, PluginError
from cab_core.nearest import nearest
from cab_core.options import OPTION, OptionSpec, options_of
from cab_core.plugins.coercion import coerce
from cab_core.plugins.isolation import attempt, describe
from cab_core.secret import Secret

T = TypeVar("T")


@attrs.frozen
class OptionRow:
    """One option as people see it: ``range`` in interval notation, ``type`` and ``default`` as text."""

    name: str
    type: str
    default: str
    range: str
    help: str


def describe_options(cls: type) -> list[OptionRow]:
    """Return the options of a plugin class, in the order of its fields."""
    hints = _types(cls)
    rows = []
    for name, field in options_of(cls).items():
        spec: OptionSpec = field.metadata[OPTION]
        shown = _type_text(hints[name])
        rows.append(OptionRow(name, shown, _default_text(field.default), spec.range_text(), spec.help))
    return rows


def structure(cls: type[T], raw: Mapping[str, object], where: str) -> T:
    """Return an instance of a plugin class with the given options.

    Args:
        cls: the plugin class.
        raw: options by name, in any case; texts or values of the option's own type.
        where: the settings section, for messages, e.g. ``strategies.ema_cross``.

    Raises:
        ConfigError: all options that are unknown, of a wrong type or out of range.
    """
    fields = options_of(cls)
    hints = _types(cls)
    problems: list[CabError] = []
    values: dict[str, Any] = {}
    for key, value in raw.items():
        name = key.lower()
        if name not in fields:
            problems.append(_unknown(key, value, {name: hints[name] for name in fields}, where))
            continue
        values[name], problem = _option(fields[name], hints[name], value, f"{where}.{name}")
        if problem is not None:
            problems.append(problem)
    if problems:
        raise ConfigError(problems)
    plugin, error = attempt(lambda: cls(**values))
    if error is not None or plugin is None:
        text = describe(error) if error is not None else "no instance"
        raise ConfigError([CabError(text, where=where, fix="correct the options of this section")])
    return plugin


def _option(field: attrs.Attribute[Any], hint: Any, value: object, where: str) -> tuple[Any, CabError | None]:
    spec: OptionSpec = field.metadata[OPTION]
    shown = "***" if _is_secret(hint) else repr(value)
    try:
        structured = coerce(value, hint)
    except (ValueError, TypeError) as error:
        problem = CabError(f"{field.name} = {shown} is not {error}", where=where, fix=_fix(field))
        return None, problem
    if not spec.accepts(structured):
        allowed = spec.range_text() or "the finite numbers"
        return None, CabError(f"{field.name} = {shown} is not in {allowed}", where=where, fix=_fix(field))
    return structured, None


def _unknown(key: str, value: object, known: Mapping[str, Any], where: str) -> CabError:
    near = nearest(key.lower(), known)
    if near:
        fix = f"did you mean {near}?"
    else:
        fix = f"the options are {', '.join(known)}" if known else "it has no options"
    hidden = _is_secret(known.get(near)) or any(word in key.lower() for word in ("secret", "token", "key"))
    return CabError(f"unknown option {key} = {'***' if hidden else repr(value)}", where=where, fix=fix)


def _is_secret(hint: Any) -> bool:
    return Secret in (hint, *get_args(hint))


def _fix(field: attrs.Attribute[Any]) -> str:
    spec: OptionSpec = field.metadata[OPTION]
    allowed = spec.range_text()
    return f"{spec.help}; default {_default_text(field.default)}" + (
        f", allowed {allowed}" if allowed else ""
    )


def _types(cls: type) -> dict[str, Any]:
    """Return the annotations of a class as types, also where they are written as text."""
    hints, error = attempt(typing.get_type_hints, cls)
    if hints is None:
        raise PluginError(
            f"the types of its options cannot be resolved: {error}",
            where=f"{cls.__module__}:{cls.__qualname__}",
            fix="import the types of options at run time, not only for type checking",
        )
    return hints


def _type_text(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " | ".join(str(value) for value in get_args(hint))
    return (
        hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint).replace("typing.", "")
    )


def _default_text(default: Any) -> str:
    if isinstance(default, tuple):
        return ",".join(str(value) for value in default)
    return str(default.value if isinstance(default, Enum) else default)
