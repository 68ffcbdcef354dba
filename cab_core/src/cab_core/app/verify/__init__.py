"""Executable invariants: what a database, an exchange or a rehearsal's ledger shows, by number.

Example::

    results = visit(path, check_database)
    broken = violated(results)
"""

from cab_core.app.verify.checks import check_database, check_evidence
from cab_core.app.verify.evidence import Evidence, gather
from cab_core.app.verify.exchange import check_exchange
from cab_core.app.verify.invariants import INVARIANTS, Invariant, invariants_markdown
from cab_core.app.verify.ledger import check_ledger
from cab_core.app.verify.results import Result, Status, merged, violated

__all__ = [
    "INVARIANTS",
    "Evidence",
    "Invariant",
    "Result",
    "Status",
    "check_database",
    "check_evidence",
    "check_exchange",
    "check_ledger",
    "gather",
    "invariants_markdown",
    "merged",
    "violated",
]
