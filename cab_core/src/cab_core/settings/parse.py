"""Parsers of setting texts. Each knows its rule in words, so that errors and docs say the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, TypeVar

import attrs

from cab_core.nearest import nearest
from cab_core.secret import Secret

T = TypeVar("T")

#: No amount, price or percentage needs more digits than money arithmetic keeps.
MAX_DIGITS = 28
_PLAIN_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off")


class TextError(ValueError):
    """A text breaks the rule of its setting.

    Args:
        why: what is wrong, completing "NAME = 'value': ...".
        fix: what to write instead; empty where the rule itself says it.
    """

    def __init__(self, why: str, fix: str = "") -> None:
        super().__init__(why)
        self.fix = fix


@attrs.frozen(slots=True)
class Kind(Generic[T]):
    """How a text becomes a value.

    Attributes:
        parse: returns the value or raises `TextError`; gets the text without surrounding blanks.
        rule: the rule in words, completing "must be ...".
        empty: whether the empty text is a value; if not, it counts as not set.
    """

    parse: Callable[[str], T]
    rule: str
    empty: bool = False


@attrs.frozen(slots=True)
class _Bounds:
    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None

    def rule(self, noun: str) -> str:
        limits = ((">", self.gt), (">=", self.ge), ("<", self.lt), ("<=", self.le))
        text = " and ".join(f"{sign} {limit:g}" for sign, limit in limits if limit is not None)
        return f"{noun} {text}".rstrip()

    def accept(self, value: Decimal) -> bool:
        return (
            (self.gt is None or value > Decimal(str(self.gt)))
            and (self.ge is None or value >= Decimal(str(self.ge)))
            and (self.lt is None or value < Decimal(str(self.lt)))
            and (self.le is None or value <= Decimal(str(self.le)))
        )


def plain_number(text: str) -> Decimal:
    """Return the finite Decimal a plainly written number stands for.

    Raises:
        TextError: not of the form ``-12.34``; ``nan``, ``inf``, exponents and units are named as such.
    """
    if _PLAIN_NUMBER.fullmatch(text):
        if sum(character.isdigit() for character in text) > MAX_DIGITS:
            raise TextError(f"has more than {MAX_DIGITS} digits")
        return Decimal(text)
    if text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        raise TextError("is not a finite number")
    if re.fullmatch(r"[+-]?[\d.]+[eE][+-]?\d+", text):
        raise TextError("is written with an exponent", "write the digits out, for example 100000 for 1e5")
    if text.endswith("%"):
        raise TextError("has a percent sign", f"write {text[:-1].strip()} (percent settings are in percent)")
    if re.fullmatch(r"[+-]?\d[\d_' ,]*([.,]\d+)?", text):
        raise TextError("has separators", "write the number without separators, with a point for decimals")
    raise TextError("is not a number")


def money(
    *, gt: float | None = None, ge: float | None = None, lt: float | None = None, le: float | None = None
) -> Kind[Decimal]:
    """Return the kind of finite Decimals within bounds: amounts, prices, fees, percentages."""
    bounds = _Bounds(gt, ge, lt, le)
    return Kind(lambda text: _within(plain_number(text), bounds, "a number"), bounds.rule("a number"))


def optional_money(*, gt: float) -> Kind[Any]:
    """Return the kind of amounts that may be left empty (None)."""
    filled = money(gt=gt)
    return Kind(lambda text: filled.parse(text) if text else None, f"empty or {filled.rule}", empty=True)


def real(
    *, gt: float | None = None, ge: float | None = None, lt: float | None = None, le: float | None = None
) -> Kind[float]:
    """Return the kind of float64 within bounds: confidences, weights, scores."""
    bounds = _Bounds(gt, ge, lt, le)
    return Kind(lambda text: float(_within(plain_number(text), bounds, "a number")), bounds.rule("a number"))


def whole(ge: int, le: int | None = None) -> Kind[int]:
    """Return the kind of whole numbers within bounds, both inclusive."""
    bounds = _Bounds(ge=ge, le=le)

    def parse(text: str) -> int:
        number = plain_number(text)
        if number != number.to_integral_value():
            raise TextError("is not a whole number")
        return int(_within(number, bounds, "a whole number"))

    return Kind(parse, bounds.rule("a whole number"))


def _within(number: Decimal, bounds: _Bounds, noun: str) -> Decimal:
    if not bounds.accept(number):
        raise TextError(f"must be {bounds.rule(noun)}")
    return number


def boolean() -> Kind[bool]:
    """Return the kind of truth values."""
    return Kind(_parse_bool, "true or false (also 1/0, yes/no, on/off)")


def optional_boolean(rule: str) -> Kind[Any]:
    """Return the kind of truth values that may be left empty (None); ``rule`` says what empty means."""
    return Kind(lambda text: _parse_bool(text) if text else None, rule, empty=True)


def _parse_bool(text: str) -> bool:
    word = text.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise TextError("is neither true nor false")


def choice(*names: str) -> Kind[Any]:
    """Return the kind of one word out of ``names``, in any case."""
    spellings = {name.lower(): name for name in names}

    def parse(text: str) -> str:
        if "|" in text:
            raise TextError("still is the placeholder", f"keep one of: {', '.join(names)}")
        word = spellings.get(text.lower())
        if word is None:
            hint = spellings.get(nearest(text.lower(), spellings))
            raise TextError(f"must be {rule}", f"did you mean {hint}?" if hint else "")
        return word

    rule = f"{', '.join(names[:-1])} or {names[-1]}"
    return Kind(parse, rule)


def text(rule: str) -> Kind[str]:
    """Return the kind of free texts that may be empty."""
    return Kind(lambda value: value, rule, empty=True)


def account() -> Kind[str]:
    """Return the kind of account names: what may stand in a key of Redis and in a message."""
    rule = "empty or up to 64 letters, digits and . : _ -"

    def parse(value: str) -> str:
        if re.fullmatch(r"[A-Za-z0-9._:-]{0,64}", value) is None:
            raise TextError("has other characters, or is too long", "write it like live:gateio:main")
        return value

    return Kind(parse, rule, empty=True)


def secret() -> Kind[Secret]:
    """Return the kind of credentials; never shown, also read from ``<NAME>_FILE``."""
    return Kind(Secret, "a secret", empty=True)


def secret_url(*schemes: str) -> Kind[Secret]:
    """Return the kind of addresses that may hold a password, and so are treated as secrets."""
    address = url(*schemes)
    return Kind(lambda value: Secret(address.parse(value)), address.rule, empty=True)


def path() -> Kind[Path]:
    """Return the kind of file paths; a leading ``~`` is the home folder."""
    return Kind(lambda value: Path(value).expanduser(), "a file path")


def optional_path(rule: str) -> Kind[Any]:
    """Return the kind of paths that may be left empty (None); ``rule`` says what empty means."""
    filled = path()
    return Kind(lambda text: filled.parse(text) if text else None, rule, empty=True)


def url(*schemes: str) -> Kind[str]:
    """Return the kind of addresses with one of the schemes; may be empty."""
    starts = tuple(f"{scheme}://" for scheme in schemes)
    rule = f"empty or start with {' or '.join(starts)}"

    def parse(value: str) -> str:
        if value and not value.lower().startswith(starts):
            raise TextError(f"must be {rule}" if "://" in value else "is no address: it has no scheme")
        if any(character.isspace() for character in value):
            raise TextError("has a blank in it")
        return value

    return Kind(parse, rule, empty=True)


def exchange() -> Kind[str]:
    """Return the kind of broker names; Gate's other spellings become ``gateio``."""
    gate = ("gate", "gate.io", "gateio")
    return Kind(
        lambda value: "gateio" if value.lower() in gate else value.lower(),
        "gateio (also gate, gate.io) or the name of an installed broker plugin",
    )
