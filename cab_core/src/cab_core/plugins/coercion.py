"""Option values from texts of the environment or from typed TOML values, by type; strict in both."""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

from cattrs import Converter

from cab_core.secret import Secret

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})


def coerce(value: object, hint: Any) -> Any:
    """Return ``value`` as the type an option is annotated with.

    Raises:
        ValueError: it is not one; the text says what is wanted, e.g. ``a whole number``.
        TypeError: options of this type are not supported.
    """
    return _CONVERTER.structure(value, hint)


def _bool(value: Any, _: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else ""
    if text not in _TRUE | _FALSE:
        raise ValueError("true or false")
    return text in _TRUE


def _int(value: Any, _: Any) -> int:
    if isinstance(value, int | str) and not isinstance(value, bool):
        try:
            return int(value)
        except ValueError:
            pass
    raise ValueError("a whole number")


def _float(value: Any, _: Any) -> float:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return number
    raise ValueError("a finite number")


def _decimal(value: Any, _: Any) -> Decimal:
    """Take a decimal by its text: a TOML float counts as it is written, not as its binary neighbor."""
    if isinstance(value, Decimal | int | float | str) and not isinstance(value, bool):
        try:
            number = Decimal(str(value).strip())
        except InvalidOperation:
            number = Decimal("nan")
        if number.is_finite():
            return number
    raise ValueError("a decimal number")


def _text(value: Any, _: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a text (put it in quotes)")
    return value


def _secret(value: Any, _: Any) -> Secret:
    return value if isinstance(value, Secret) else Secret(_text(value, str))


def _literal(value: Any, hint: Any) -> Any:
    by_text = {str(allowed): allowed for allowed in get_args(hint)}
    if str(value) not in by_text:
        raise ValueError(f"one of {', '.join(by_text)}")
    return by_text[str(value)]


def _enum(value: Any, hint: Any) -> Any:
    try:
        return hint(value)
    except ValueError:
        raise ValueError(f"one of {', '.join(str(member.value) for member in hint)}") from None


def _tuple(value: Any, hint: Any) -> tuple[Any, ...]:
    element = get_args(hint)[0]
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        raise ValueError("a list or comma-separated text")
    try:
        return tuple(coerce(part, element) for part in value)
    except ValueError as error:
        raise ValueError(f"a list in which each element is {error}") from None


def _optional(value: Any, hint: Any) -> Any:
    if value is None or value == "":
        return None
    return coerce(value, next(arg for arg in get_args(hint) if arg is not types.NoneType))


def _is_origin(*origins: object) -> Callable[[Any], bool]:
    return lambda hint: get_origin(hint) in origins


def _is_enum(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Enum)


def _or_enum(hook: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Keep a StrEnum from being taken for a str: cattrs finds hooks of classes by inheritance."""
    return lambda value, hint: _enum(value, hint) if _is_enum(hint) else hook(value, hint)


def _converter() -> Converter:
    converter = Converter(detailed_validation=False)
    converter.register_structure_hook(bool, _bool)
    converter.register_structure_hook(int, _or_enum(_int))
    converter.register_structure_hook(float, _float)
    converter.register_structure_hook(Decimal, _decimal)
    converter.register_structure_hook(str, _or_enum(_text))
    converter.register_structure_hook(Secret, _secret)
    converter.register_structure_hook_func(_is_origin(Literal), _literal)
    converter.register_structure_hook_func(_is_origin(tuple), _tuple)
    converter.register_structure_hook_func(_is_origin(Union, types.UnionType), _optional)
    converter.register_structure_hook_func(_is_enum, _enum)
    return converter


_CONVERTER = _converter()
