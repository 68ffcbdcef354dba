"""``python -m tests.sim --seeds 1..100 --days 1``: simulate seeds and tell what was found."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence

from tests.sim.batch import Total, simulated
from tests.sim.saboteurs import SABOTEURS
from tests.sim.simulation import Result


def _told(result: Result, saboteur: str) -> Iterator[str]:
    """Yield everything that is needed to look into a violation."""
    yield f"\nseed {result.seed}: {len(result.violations)} violations"
    yield from (f"  {text}" for text in result.violations[:10])
    if result.plan is not None:
        yield f"  schedule: {json.dumps(result.plan.told())}"
    yield f"  the last {len(result.tail)} rows of the journal:"
    yield from (f"    {row[:300]}" for row in result.tail)
    extra = "" if saboteur == "none" else f" --saboteur {saboteur}"
    yield f"  again: python -m tests.sim --seeds {result.seed}..{result.seed} --days {result.days}{extra}"


def _span(text: str) -> range:
    first, _, last = text.partition("..")
    return range(int(first), int(last or first) + 1)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=_span, default=range(1, 101), help="A..B, both included")
    parser.add_argument("--days", type=int, default=1, help="simulated days per seed")
    parser.add_argument("--saboteur", choices=sorted(SABOTEURS), default="none", help="plant a bug")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate, print, and return 1 if anything was found."""
    options = _options(argv)
    total, began = Total(), time.monotonic()
    for result, cpu_s in simulated(options.seeds, options.days, options.saboteur, options.workers):
        total.add(result, cpu_s)
        if result.violations:
            print("\n".join(_told(result, options.saboteur)), flush=True)
    print("\n".join(total.lines(time.monotonic() - began)))
    return 1 if total.failing else 0


if __name__ == "__main__":
    sys.exit(main())
