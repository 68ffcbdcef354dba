"""Runs the checks that a database alone decides."""

from __future__ import annotations

from cab_core.app.verify.evidence import Evidence, gather
from cab_core.app.verify.invariants import INVARIANTS, Invariant
from cab_core.app.verify.results import Found, Result
from cab_core.storage import Connection


def check_database(conn: Connection) -> list[Result]:
    """Check every invariant a database shows; the connection may be read-only and the database in use."""
    return check_evidence(gather(conn))


def check_evidence(evidence: Evidence) -> list[Result]:
    """Return one result per invariant, I1 to I26."""
    return [Result.of(i.name, i.text, _found(i, evidence)) for i in INVARIANTS]


def _found(invariant: Invariant, evidence: Evidence) -> Found:
    if invariant.check is not None:
        return invariant.check(evidence)
    if invariant.shown_by == "exchange":
        return Found(missing="ask the exchange: --exchange")
    return Found(missing=f"shown by {invariant.proof}")
