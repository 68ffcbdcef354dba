"""Chance that depends on names alone, never on the order in which it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from cab_exchange_sim.faults.draws import fraction

T = TypeVar("T")

__all__ = ["chosen", "fraction", "stream"]


def chosen(options: Sequence[T], *names: object) -> T:
    """Return the option that the names draw."""
    return options[int(fraction(*names) * len(options))]


def stream(*names: object) -> Random:
    """Return a stream of random numbers that the names seed, the same under every PYTHONHASHSEED."""
    return Random("|".join(str(name) for name in names))
