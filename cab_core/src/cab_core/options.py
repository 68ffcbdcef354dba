"""Typed options of a plugin: attrs fields with bounds and help, structured from configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

#: Key under which the bounds of an option lie in its attrs metadata.
OPTION = "cab.option"


@attrs.frozen(slots=True)
class OptionSpec:
    """Bounds and help of one option; ``gt``/``lt`` are strict, ``ge``/``le`` inclusive."""

    help: str
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    choices: tuple[str, ...] = ()

    def range_text(self) -> str:
        """Return the allowed range in interval notation, e.g. ``[2, 200]``; empty without bounds."""
        if self.choices:
            return " | ".join(self.choices)
        if self.ge is None and self.gt is None and self.le is None and self.lt is None:
            return ""
        low = f"[{self.ge:g}" if self.ge is not None else f"({self.gt:g}" if self.gt is not None else "(-inf"
        high = f"{self.le:g}]" if self.le is not None else f"{self.lt:g})" if self.lt is not None else "inf)"
        return f"{low}, {high}"

    def accepts(self, value: Any) -> bool:
        """Say whether ``value``, or each element of a tuple, lies within the bounds; NaN never does."""
        if isinstance(value, tuple):
            return all(self.accepts(element) for element in value)
        if value is None:
            return True  # only options annotated as optional can be None
        if self.choices:
            return value in self.choices
        if isinstance(value, bool | str):
            return True
        return (
            value == value  # NaN is the one value that differs from itself
            and (self.ge is None or value >= self.ge)
            and (self.gt is None or value > self.gt)
            and (self.le is None or value <= self.le)
            and (self.lt is None or value < self.lt)
        )


def option(
    default: Any,
    *,
    help: str,  # noqa: A002 - the word authors know from click and argparse
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare an option of a plugin class.

    Args:
        default: value used when the configuration is silent.
        help: one sentence for ``cab plugins info`` and the docs, with the unit.
        ge: least allowed value, inclusive.
        gt: lower bound, exclusive.
        le: greatest allowed value, inclusive.
        lt: upper bound, exclusive.
        choices: allowed texts.
    """
    spec = OptionSpec(help, ge, gt, le, lt, choices)
    return attrs.field(default=default, metadata={OPTION: spec}, validator=_within(spec))


def _within(spec: OptionSpec) -> Callable[[Any, attrs.Attribute[Any], Any], None]:
    def check(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if not spec.accepts(value):
            raise ValueError(f"{attribute.name} = {value!r} is not in {spec.range_text()}")

    return check


def options_of(cls: type) -> dict[str, attrs.Attribute[Any]]:
    """Return the option fields of a plugin class by name."""
    if not attrs.has(cls):
        return {}
    return {field.name: field for field in attrs.fields(cls) if OPTION in field.metadata}
