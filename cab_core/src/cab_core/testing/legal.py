"""Drawing legal and illegal options of a plugin."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from cab_core.options import OPTION, OptionSpec, options_of


def spec_of(field: attrs.Attribute[Any]) -> OptionSpec:
    """Return bounds and help of an option field."""
    spec: OptionSpec = field.metadata[OPTION]
    return spec


def illegal_values(field: attrs.Attribute[Any]) -> Iterator[Any]:
    """Yield values just outside the declared bounds of an option."""
    spec = spec_of(field)
    if spec.choices:
        yield "no such choice"
    if isinstance(field.default, bool | str):
        return
    whole = isinstance(field.default, int)
    for bound, step in ((spec.ge, -1), (spec.le, 1)):
        if bound is not None:
            yield int(bound) + step if whole else math.nextafter(bound, step * math.inf)
    for bound in (spec.gt, spec.lt):
        if bound is not None:
            yield int(bound) if whole else bound
    if not whole and spec.range_text():
        yield math.nan


def _numbers(field: attrs.Attribute[Any], default: float) -> SearchStrategy[Any]:
    """Draw numbers within the bounds; an open side reaches four times beyond the default."""
    spec = spec_of(field)
    reach = 4.0 * max(1.0, abs(default))
    low = spec.ge if spec.ge is not None else spec.gt if spec.gt is not None else -reach
    high = spec.le if spec.le is not None else spec.lt if spec.lt is not None else max(low, reach)
    if isinstance(default, int):
        numbers = st.integers(math.ceil(low), math.floor(high))
        return numbers.filter(spec.accepts)
    return st.floats(
        low, high, exclude_min=spec.gt is not None, exclude_max=spec.lt is not None, allow_subnormal=False
    )


def legal_options(plugin: type) -> SearchStrategy[dict[str, Any]]:
    """Draw options, each within its own bounds; how they relate to each other is for the plugin to judge."""
    draws: dict[str, SearchStrategy[Any]] = {}
    for name, field in options_of(plugin).items():
        spec = spec_of(field)
        if spec.choices:
            draws[name] = st.sampled_from(spec.choices)
        elif isinstance(field.default, bool):
            draws[name] = st.booleans()
        elif isinstance(field.default, int | float):
            draws[name] = _numbers(field, field.default)
    return st.fixed_dictionaries({}, optional=draws)
