"""What a rehearsal came to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from cab_core.app.rehearsal.brief import CHECKS
from cab_core.app.verify import INVARIANTS, Status


@attrs.frozen(kw_only=True)
class Report:
    """The end of a rehearsal.

    Attributes:
        verdict: ``clean`` only if every check ran and none is violated.
        orders, fills: of the bot, as the exchange counted them; stops and their orders are orders.
        exits_refused: sells of the bot that the exchange refused.
        faults: injected faults by kind. ``kills``: SIGKILLs. ``restarts``: starts after the first.
        invariants_checked: names of those that were shown to hold or not to.
        violations: one line each.
        elapsed_s: real seconds. ``folder``: where everything is kept.
    """

    verdict: str
    orders: int
    fills: int
    exits_refused: int
    faults: Mapping[str, int]
    restarts: int
    kills: int
    invariants_checked: Sequence[str]
    violations: Sequence[str]
    seed: int
    days: int
    elapsed_s: float
    folder: Path


#: Invariants that a database together with its exchange must be able to show.
REQUIRED = tuple(each.name for each in INVARIANTS if each.shown_by in {"database", "exchange"})


def judged(folder: Path) -> tuple[list[str], list[str]]:
    """Return the invariants that were checked and what is wrong, from the file of the checks."""
    path = folder / CHECKS
    if not path.exists():
        return [], [f"the checks did not run: see {folder / 'bot.log'}"]
    told = json.loads(path.read_text(encoding="utf-8"))
    shown = [row["name"] for row in told["results"] if row["status"] != Status.NOT_SHOWN]
    return shown, list(_wrong(told, shown))


def _wrong(told: Mapping[str, Any], shown: Sequence[str]) -> Iterator[str]:
    for row in told["results"]:
        if row["status"] == Status.VIOLATED:
            yield from (f"{row['name']}: {problem}" for problem in row["problems"])
    for name in REQUIRED:
        if name not in shown:
            yield f"{name} could not be checked"
    for line in told["unsettled"]:
        yield f"not settled after the quiet time: order {line}"


@attrs.define
class Score:
    """What the exchange's ledger shows of the bot so far."""

    entries: list[Mapping[str, Any]] = attrs.field(factory=list)
    counts: Counter[str] = attrs.field(factory=Counter)

    def take(self, fresh: Sequence[Mapping[str, Any]]) -> None:
        """Count further entries of the ledger."""
        self.entries += fresh
        for entry in fresh:
            kind, source = entry["kind"], entry.get("source", "api")
            if kind in {"order", "stop"} and source != "phantom":
                self.counts["orders"] += 1
            elif kind == "fill" and source != "phantom":
                self.counts["fills"] += 1
            elif kind == "refused" and entry.get("side") == "sell":
                self.counts["exits_refused"] += 1
