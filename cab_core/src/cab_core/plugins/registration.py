"""Faults of a plugin class that pluggy would accept and that would leave a hook uncalled or misused."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cab_core.hookspecs import PROJECT
from cab_core.nearest import nearest

_MARK = f"{PROJECT}_impl"
_SPEC = f"{PROJECT}_spec"
_OWN_RULES = ("wrapper", "hookwrapper", "tryfirst", "trylast", "specname", "optionalhook")
_ASYNC_ALLOWED = frozenset({"attend", "generate", "notify", "read", "start", "stop"})


def hook_functions(cls: type) -> dict[str, Callable[..., Any]]:
    """Return the hooks a class specifies, or the marked functions of a plugin class, by name."""
    return {
        name: function
        for name, function in _functions(cls)
        if hasattr(function, _MARK) or hasattr(function, _SPEC)
    }


def faults_of(cls: type, specs: Mapping[str, object], main_hooks: tuple[str, ...]) -> list[str]:
    """Return what is wrong with the hooks of a plugin class, each with its fix; empty if nothing is."""
    marked = hook_functions(cls)
    faults = [_unmarked(name) for name, f in _functions(cls) if name in specs and name not in marked]
    faults += _missing(marked, specs, main_hooks)
    for name, function in marked.items():
        faults += _misuse(name, function)
    return faults


def _functions(cls: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name in dir(cls):
        static = inspect.getattr_static(cls, name, None)
        function = getattr(static, "__func__", static)
        if inspect.isfunction(function):
            yield name, function


def _unmarked(name: str) -> str:
    return f"{name}() is not marked, so it would never be called: put @hookimpl above `def {name}`"


def _missing(marked: Mapping[str, object], specs: Mapping[str, object], main: tuple[str, ...]) -> list[str]:
    faults = []
    for name in marked.keys() - specs.keys():
        near = nearest(name, specs)
        hint = f"did you mean {near}()?" if near else f"the hooks are {', '.join(specs)}"
        faults.append(f"{name}() is not a hook of this kind: {hint}")
    found = [name for name in main if name in marked]
    if not found and not faults:
        wanted = " or ".join(f"{name}()" for name in main)
        faults.append(f"implements no hook: define {wanted} with @hookimpl above it")
    if len(found) > 1:
        faults.append(f"implements {' and '.join(found)}: keep one of them")
    return faults


def _misuse(name: str, function: Callable[..., Any]) -> Iterator[str]:
    options = getattr(function, _MARK, None) or {}
    used = [option for option in _OWN_RULES if options.get(option)]
    if used:
        yield f"{name}() uses @hookimpl({', '.join(used)}), which plugins may not: write plain @hookimpl"
    parameters = inspect.signature(function).parameters.values()
    keyword_only = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    if keyword_only:
        names = ", ".join(keyword_only)
        yield f"{name}() takes {names} as keyword-only, which is never passed: remove the * before it"
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        yield f"{name}() takes *args or **kwargs, which are never passed: name each parameter"
    if inspect.iscoroutinefunction(function) and name not in _ASYNC_ALLOWED:
        yield f"{name}() is async, but it must only compute: write plain def"
