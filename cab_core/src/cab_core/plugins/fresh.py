"""A strategy built anew from its source, so that nothing it has kept so far is there."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_loader
from typing import Any

import attrs

from cab_core.options import options_of
from cab_core.plugins.bound import BoundStrategy
from cab_core.plugins.host import Host
from cab_core.plugins.isolation import attempt
from cab_core.plugins.kinds import Kind


def fresh(bound: BoundStrategy) -> BoundStrategy:
    """Return the same strategy with the same options, from a module of its own.

    Neither what the object keeps nor what its module keeps for all of them is shared with the other. Where
    a module cannot be run a second time, the class is shared and only the object is new.

    Raises:
        CabError: it cannot be built a second time.
    """
    plugin = bound.plugin
    again, _ = attempt(_class_again, type(plugin))
    cls = type(plugin) if again is None else again
    options = {name: getattr(plugin, name) for name in options_of(type(plugin))}
    other = cls(**options)
    if getattr(bound.call, "__self__", None) is plugin and bound.by_bar is None:
        return attrs.evolve(bound, plugin=other, call=getattr(other, bound.call.__name__), hooks={})
    made = Host(Kind.STRATEGY).register(bound.record, other)  # takes longer than many calls
    if not isinstance(made, BoundStrategy):
        raise TypeError(f"{bound.id} is no strategy")
    return made


def _class_again(cls: type) -> type:
    spec = sys.modules[cls.__module__].__spec__
    if spec is None or spec.loader is None:
        raise ImportError(f"{cls.__module__} has no source")
    is_package = spec.submodule_search_locations is not None
    copy = spec_from_loader(spec.name, spec.loader, origin=spec.origin, is_package=is_package)
    if copy is None:
        raise ImportError(f"{cls.__module__} has no source")
    copy.submodule_search_locations = spec.submodule_search_locations
    module = module_from_spec(copy)
    spec.loader.exec_module(module)
    found: Any = module
    for part in cls.__qualname__.split("."):
        found = getattr(found, part)
    if not isinstance(found, type):
        raise ImportError(f"{cls.__qualname__} is not what it was")
    return found
