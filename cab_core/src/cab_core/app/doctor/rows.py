"""The rows of the doctor's report, and what runs the checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import TypeAlias

import attrs

from cab_core.errors import CabError, ConfigError

#: The page with a section for each check.
PAGE = "docs/how-to/troubleshooting.md"


class Verdict(StrEnum):
    """How a check ended. Only ``fail`` keeps the bot from working."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@attrs.frozen(slots=True)
class Row:
    """One line of the report.

    Attributes:
        check: what was looked at. ``detail``: what was seen. ``fix``: how to mend it.
        docs: where to read on, empty if all is well.
    """

    check: str
    status: Verdict
    detail: str
    fix: str = ""
    docs: str = ""


#: Looks at one thing. What it raises becomes a failing row.
Check: TypeAlias = Callable[[], Iterable[Row]]


def examine(checks: Mapping[str, Check]) -> Iterator[Row]:
    """Yield the rows of every check; one that breaks is a finding, not the end of the report."""
    for name, check in checks.items():
        try:
            yield from map(_with_docs, check())
        except ConfigError as error:
            for each in error.problems:
                yield _with_docs(Row(name, Verdict.FAIL, str(each), each.fix))
        except CabError as error:
            yield _with_docs(Row(name, Verdict.FAIL, str(error), error.fix))
        except Exception as error:  # noqa: BLE001 - the doctor must outlive what it finds
            yield _with_docs(Row(name, Verdict.FAIL, f"unexpected {type(error).__name__}: {error}"))


def _with_docs(row: Row) -> Row:
    if row.status in (Verdict.OK, Verdict.SKIP):
        return row
    return attrs.evolve(row, docs=f"{PAGE}#{row.check.split()[0]}")
