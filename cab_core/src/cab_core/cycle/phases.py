"""Times the phases of a cycle for whoever wants to know; nothing decided depends on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

import attrs

#: What is told: ``signals`` (candles read and strategies asked), ``risk``, ``execute``, and ``supervise`` for
#: one completed look at a symbol's orders, exits and protection.
PHASES = ("signals", "risk", "execute", "supervise")


def _ignore(phase: str, symbol: str, seconds: float) -> None:
    del phase, symbol, seconds


@attrs.define(eq=False)
class Phases:
    """Tells how long each phase took; one that raises is not told.

    Attributes:
        observe: told phase, symbol and real seconds.
    """

    observe: Callable[[str, str, float], None] = _ignore

    @contextmanager
    def __call__(self, phase: str, symbol: str) -> Iterator[None]:
        """Time the block."""
        began = perf_counter()
        yield
        self.observe(phase, symbol, perf_counter() - began)
