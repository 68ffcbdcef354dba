"""Measuring a plugin in CPU time, relative to the speed of the machine it runs on."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable
from functools import cache
from statistics import median

import numpy as np

#: CPU seconds of `_yardstick` on the machine the budgets were set on.
_REFERENCE_S = 0.0026


def _yardstick() -> float:
    column = np.linspace(1.0, 2.0, 1000)
    total = 0.0
    for i in range(20_000):
        total += i * 0.5
    for _ in range(400):
        column = np.sqrt(column * column + 1e-9)
    return total + float(column[-1])


@cache
def slowness() -> float:
    """Return how many times slower than the reference this machine is, at least 1."""
    return max(1.0, cpu_seconds(_yardstick, 15) / _REFERENCE_S)


def cpu_seconds(call: Callable[[], object], repeats: int) -> float:
    """Return the median CPU seconds of one call."""
    call()
    spent = []
    for _ in range(repeats):
        start = time.thread_time()
        call()
        spent.append(time.thread_time() - start)
    return median(spent)


def memory_growth(call: Callable[[], object], calls: int) -> int:
    """Return by how many bytes ``calls`` calls let the memory grow, after a tenth as many to settle."""
    for _ in range(max(1, calls // 10)):
        call()
    gc.collect()
    tracemalloc.start()
    try:
        call()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(calls):
            call()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
