"""One seed is one run, whatever the process and its hash seed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.sim.simulation import simulate

ROOT = Path(__file__).parents[2]
SEEDS = (3, 12)

PROGRAM = """
import sys
from tests.sim.simulation import simulate
for seed in map(int, sys.argv[1:]):
    print(simulate(seed).journal)
"""


def in_a_process(hash_seed: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, SEEDS)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "TZ": "Pacific/Chatham"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.catalogue(73)
def test_a_seed_has_one_journal_under_every_hash_seed_and_time_zone() -> None:
    here = [simulate(seed).journal for seed in SEEDS]
    assert here == [simulate(seed).journal for seed in SEEDS]
    assert here == in_a_process("1") == in_a_process("2")
    assert len(set(here)) == len(SEEDS)
