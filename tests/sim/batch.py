"""Many seeds in several processes, and what they came to together."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

import attrs
from tests.sim.saboteurs import SABOTEURS
from tests.sim.simulation import Result, simulate


@attrs.define
class Total:
    """What a batch of seeds came to. ``cpu_s`` of the simulations alone."""

    days: int = 0
    intents: int = 0
    fills: int = 0
    cpu_s: float = 0.0
    failing: list[int] = attrs.field(factory=list)
    struck: Counter[str] = attrs.field(factory=Counter)
    hits: Counter[str] = attrs.field(factory=Counter)
    kills: Counter[str] = attrs.field(factory=Counter)

    def add(self, result: Result, cpu_s: float) -> None:
        """Take in one seed."""
        self.days += result.days
        self.intents += result.intents
        self.fills += result.fills
        self.cpu_s += cpu_s
        self.struck += result.struck
        self.hits += result.hits
        self.kills += result.kills
        if result.violations:
            self.failing.append(result.seed)

    def lines(self, wall_s: float) -> Iterator[str]:
        """Yield the table for people."""
        yield f"seed-days            {self.days}"
        yield f"seed-days per minute {60 * self.days / max(wall_s, 1e-9):.0f}"
        yield f"CPU s per seed-day   {self.cpu_s / max(self.days, 1):.2f}"
        places = f"{len(self.kills)} of {len(self.hits)} checkpoints"
        yield f"crashes              {self.kills.total()} at {places}"
        yield f"intents              {self.intents}"
        yield f"fills                {self.fills}"
        yield f"seeds violated       {len(self.failing)} {self.failing[:20] or ''}"
        yield "faults               " + _counts(self.struck)
        yield "killed at            " + _counts(self.kills)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items()))


def _one(job: tuple[int, int, str]) -> tuple[Result, float]:
    seed, days, saboteur = job
    began = time.process_time()
    return simulate(seed, days, SABOTEURS[saboteur]), time.process_time() - began


def simulated(
    seeds: Iterable[int], days: int, saboteur: str = "none", workers: int = 1
) -> Iterator[tuple[Result, float]]:
    """Yield the result of each seed in turn, and the CPU seconds it took."""
    jobs = [(seed, days, saboteur) for seed in seeds]
    if workers == 1:
        yield from map(_one, jobs)
        return
    # Spawned, not forked: a simulation is a fresh process, like the one that repeats it.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_one, jobs, chunksize=2)
