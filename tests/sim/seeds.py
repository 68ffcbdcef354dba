"""The seeds that CI simulates, and what they have to pass together to be worth their time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from tests.sim.batch import Total, simulated

LEGS = ("entry", "exit", "stop")
AROUND_A_COMMIT = ("before", "inside", "after")
AROUND_A_CALL = ("before", "after")

#: Reading verbs of a broker that every run needs.
READS = ("balances", "orders", "fills_of", "fills_since", "quote", "candles", "instruments")


def routine() -> Iterator[str]:
    """Yield the checkpoints that the life of an order goes through."""
    for step, leg, when in product(("plan", "sent", "done", "unknown", "abandoned"), LEGS, AROUND_A_COMMIT):
        yield f"commit_{step}_{leg}:{when}"
    for call, leg, when in product(("submit", "resolve"), LEGS, AROUND_A_CALL):
        yield f"{call}_{leg}:{when}"
    for name, when in product(("cycle", "protection", "reconciled"), AROUND_A_COMMIT):
        yield f"commit_{name}:{when}"
    for name, when in product(("cancel_stop", *READS), AROUND_A_CALL):
        yield f"{name}:{when}"


def total_of(first: int, last: int) -> tuple[Total, list[str]]:
    """Simulate a day of each seed and return the sum and every violation."""
    total, violations = Total(), []
    for result, cpu_s in simulated(range(first, last + 1), 1):
        total.add(result, cpu_s)
        violations += [f"seed {result.seed}: {text}" for text in result.violations]
    return total, violations


def gaps(total: Total, least_hits: int) -> dict[str, int]:
    """Return the routine checkpoints that were passed too seldom."""
    return {name: total.hits[name] for name in routine() if total.hits[name] < least_hits}
