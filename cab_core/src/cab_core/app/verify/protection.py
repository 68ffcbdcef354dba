"""I10 and I11: what guards an open position."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from cab_core.app.verify.evidence import Event, Evidence
from cab_core.app.verify.results import Found
from cab_core.app.verify.values import amount

State = Mapping[str, Any]


def stop_never_fell(evidence: Evidence) -> Found:
    """I10: within a position the stop only rises, and after the first take profit it is at break-even.

    Until the entry is complete the levels follow the average price of its fills.
    """
    before: dict[str, State] = {}
    problems: list[str] = []
    seen: set[str] = set()
    for event in evidence.of_kind("position"):
        state = event.facts.get("state")
        if state is None or state.get("protection") is None:
            before.pop(event.ref, None)
            continue
        seen.add(state["id"])
        problems += _fallen(event, before.get(event.ref), state)
        before[event.ref] = state
    return Found(problems, f"{len(seen)} positions")


def _fallen(event: Event, before: State | None, state: State) -> Iterator[str]:
    guard = state["protection"]
    stop, stage = amount(guard["stop"]), guard["stage"]
    where = f"{state['id']} (journal row {event.seq})"
    if stage >= 1 and stop < amount(guard["levels"]["breakeven"]):
        yield f"the stop {stop} is below break-even {guard['levels']['breakeven']} of {where}"
    if before is None or before["id"] != state["id"] or before["bought"] != state["bought"]:
        return
    earlier = before["protection"]
    if stop < amount(earlier["stop"]):
        yield f"the stop fell from {earlier['stop']} to {stop} of {where}"
    if stage < earlier["stage"]:
        yield f"the stage fell from {earlier['stage']} to {stage} of {where}"


def positions_are_protected(evidence: Evidence) -> Found:
    """I11: each open position carries the levels it is supervised by, for all that is held of it."""
    problems = [
        problem for symbol, state in evidence.positions.items() for problem in _unprotected(symbol, state)
    ]
    problems += [
        f"position {event.ref} was saved without protection (journal row {event.seq})"
        for event in evidence.of_kind("position")
        if event.facts.get("state") is not None and event.facts["state"].get("protection") is None
    ]
    return Found(problems, f"{len(evidence.positions)} open positions")


def _unprotected(symbol: str, state: State) -> Iterator[str]:
    guard = state.get("protection")
    if guard is None:
        yield f"position {symbol} has no protection"
    elif amount(guard["stop"]) <= Decimal(0):
        yield f"position {symbol} has the stop {guard['stop']}"
    elif amount(guard["quantity"]) != amount(state["quantity"]):
        yield f"position {symbol} holds {state['quantity']}, {guard['quantity']} of it is protected"
