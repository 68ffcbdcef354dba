"""A sealed room: while it is closed, whoever asks for the time, chance, network or disk is caught."""

from __future__ import annotations

import datetime as dt
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import cache
from types import ModuleType
from typing import Any, NoReturn
from unittest.mock import patch

import numpy as np

_CLOCKS = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: Audit events (by prefix) of a program that reaches out of itself.
_REACHING_OUT = (
    "socket.",
    "subprocess.",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "sqlite3.",
    "shutil.",
)
_FILES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.putenv", "os.unsetenv", "os.truncate")

#: What was touched in the room this thread stands in; None outside of any.
_touched: ContextVar[list[str] | None] = ContextVar("cab_sealed_room", default=None)


class OutsideWorldError(RuntimeError):
    """A plugin that must be pure asked for something outside its arguments."""


def _refuse(touched: list[str], what: str) -> NoReturn:
    touched.append(what)
    raise OutsideWorldError(f"{what} was used; a pure plugin has only its arguments")


def _audit(event: str, args: tuple[Any, ...]) -> None:
    touched = _touched.get()
    if touched is None:
        return
    if event == "open":
        path, mode, flags = args
        if (isinstance(mode, str) and set(mode) & set("wax+")) or (mode is None and flags & _WRITING):
            _refuse(touched, f"open({str(path)!r}) for writing")
    elif event.startswith(_REACHING_OUT) or event in _FILES:
        _refuse(touched, event)


@cache
def _install_audit_hook() -> None:
    """Install the hook once; audit hooks cannot be removed, so it sleeps outside of sealed rooms."""
    sys.addaudithook(_audit)


def _guarded(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*args: Any, **kwargs: Any) -> Any:
        touched = _touched.get()
        return real(*args, **kwargs) if touched is None else _refuse(touched, name)

    return guarded


def _unseeded(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    """Guard a generator factory that is pure as long as it is given a seed."""

    def guarded(*args: Any, **kwargs: Any) -> Any:
        touched = _touched.get()
        if touched is None or (args and args[0] is not None) or kwargs.get("seed") is not None:
            return real(*args, **kwargs)
        return _refuse(touched, f"{name} without a seed")

    return guarded


class _Environment(Mapping[str, str]):
    """Stands in for ``os.environ`` and knows when it is read."""

    def __init__(self, real: Mapping[str, str]) -> None:
        self._real = real

    def __getitem__(self, key: str) -> str:
        touched = _touched.get()
        return self._real[key] if touched is None else _refuse(touched, f"os.environ[{key!r}]")

    def __iter__(self) -> Iterator[str]:
        touched = _touched.get()
        return iter(self._real) if touched is None else _refuse(touched, "os.environ")

    def __len__(self) -> int:
        return len(self._real)


class _SameInstances(type):
    """Lets the guarded datetime classes recognise the instances of the real ones."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.__mro__[1])


def _guarded_class(real: type, *methods: str) -> type:
    body = {name: staticmethod(_guarded(f"{real.__name__}.{name}", getattr(real, name))) for name in methods}
    return _SameInstances(real.__name__, (real,), body)


def _bound_to(module: Any, instance: Any) -> Iterator[str]:
    """Yield the functions of a module that draw from its hidden global generator."""
    for name in dir(module):
        if getattr(getattr(module, name), "__self__", None) is instance:
            yield name


def _replacements() -> Iterator[tuple[Any, str, Any]]:
    for name in _CLOCKS:
        yield time, name, _guarded(f"time.{name}", getattr(time, name))
    yield dt, "datetime", _guarded_class(dt.datetime, "now", "utcnow", "today")
    yield dt, "date", _guarded_class(dt.date, "today")
    for name in _bound_to(random, getattr(random, "_inst")):  # noqa: B009 - the typing stubs hide it
        yield random, name, _guarded(f"random.{name}", getattr(random, name))
    hidden = getattr(np.random.mtrand, "_rand")  # noqa: B009 - the typing stubs hide it
    for name in _bound_to(np.random, hidden):
        yield np.random, name, _guarded(f"numpy.random.{name}", getattr(np.random, name))
    yield np.random, "default_rng", _unseeded("numpy.random.default_rng", np.random.default_rng)
    yield random, "_urandom", _guarded("os.urandom", os.urandom)
    yield os, "urandom", _guarded("os.urandom", os.urandom)
    yield os, "environ", _Environment(os.environ)


def _aliases(package: str, real: Any) -> Iterator[tuple[ModuleType, str]]:
    """Yield where modules of a package hold ``real`` under a name of their own."""
    for name, module in list(sys.modules.items()):
        if name == package or name.startswith(f"{package}."):
            for alias, value in list(vars(module).items()):
                if value is real:
                    yield module, alias


@contextmanager
def sealed(module: str) -> Iterator[list[str]]:
    """Close the room around the plugin package of ``module``; yields the list of what was touched.

    Clocks, sleep, global and unseeded randomness, the environment, sockets, processes, databases and writing
    to disk raise `OutsideWorldError`, and are listed even if the plugin swallows the error. Other threads
    are not affected.
    """
    _install_audit_hook()
    touched: list[str] = []
    package = module.partition(".")[0]
    with ExitStack() as room:
        for owner, name, guard in list(_replacements()):
            real = getattr(owner, name)
            for holder, alias in list(_aliases(package, real)):
                room.enter_context(patch.object(holder, alias, guard))
            room.enter_context(patch.object(owner, name, guard))
        token = _touched.set(touched)
        try:
            yield touched
        finally:
            _touched.reset(token)
