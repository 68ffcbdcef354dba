"""What a check of one invariant found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

import attrs

#: Problems named in the one line of a result; the rest is counted.
NAMED = 3


class Status(StrEnum):
    """``NOT_SHOWN``: what was looked at can neither show nor refute the invariant."""

    OK = "ok"
    VIOLATED = "violated"
    NOT_SHOWN = "not_shown"


@attrs.frozen(slots=True)
class Found:
    """The findings of one check.

    Attributes:
        problems: one line each, naming the rows; empty if the invariant holds.
        looked_at: what was examined, e.g. ``29 orders``.
        missing: why it cannot be shown here, empty if it can.
    """

    problems: Sequence[str] = ()
    looked_at: str = ""
    missing: str = ""


@attrs.frozen(slots=True)
class Result:
    """One invariant and whether it holds.

    Attributes:
        name: ``I1`` to ``I26``. ``text``: what must hold, in one line.
        detail: the first problems, what was looked at, or why it is not shown.
        problems: all problems.
    """

    name: str
    status: Status
    text: str
    detail: str
    problems: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, text: str, found: Found) -> Result:
        """Turn the findings of one check into its result."""
        problems = tuple(found.problems)
        if problems:
            rest = len(problems) - NAMED
            detail = "; ".join(problems[:NAMED]) + (f"; and {rest} more" if rest > 0 else "")
            return cls(name, Status.VIOLATED, text, detail, problems)
        if found.missing:
            return cls(name, Status.NOT_SHOWN, text, found.missing)
        return cls(name, Status.OK, text, found.looked_at)


_WEIGHT = {Status.VIOLATED: 2, Status.OK: 1, Status.NOT_SHOWN: 0}


def merged(*sources: Iterable[Result]) -> list[Result]:
    """Return one result per invariant: a violation anywhere counts, then what was shown anywhere."""
    best: dict[str, Result] = {}
    for source in sources:
        for result in source:
            known = best.get(result.name)
            best[result.name] = result if known is None else _joined(known, result)
    return sorted(best.values(), key=lambda result: int(result.name[1:]))


def _joined(first: Result, second: Result) -> Result:
    if first.status is not second.status:
        return max(first, second, key=lambda result: _WEIGHT[result.status])
    details = dict.fromkeys(detail for detail in (first.detail, second.detail) if detail)
    return attrs.evolve(first, detail="; ".join(details), problems=first.problems + second.problems)


def violated(results: Iterable[Result]) -> list[Result]:
    """Return those that do not hold."""
    return [result for result in results if result.status is Status.VIOLATED]
