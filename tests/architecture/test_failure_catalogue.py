"""Every row of the failure catalogue is proved by a test that says so; the page shows what is there."""

from __future__ import annotations

import ast
import sys

import pytest
from repository import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import catalogue

#: Rows nothing here can prove yet, each with the reason.
UNPROVED: dict[int, str] = {
    89: "nothing reads for long yet: the pages that will come with the API",
}


def test_every_row_of_the_required_sections_is_proved() -> None:
    proved = catalogue.proofs()
    missing = [
        f"{row.number}. {row.scenario}: {row.must_hold}"
        for row in catalogue.rows().values()
        if row.section in catalogue.REQUIRED and row.number not in proved.keys() | UNPROVED.keys()
    ]
    assert not missing, f"{len(missing)} rows without a test:\n" + "\n".join(missing)


def test_no_excuse_is_left_for_a_row_that_is_proved() -> None:
    assert not UNPROVED.keys() & catalogue.proofs().keys()
    assert all(UNPROVED.values())


def test_every_mark_names_a_row() -> None:
    known = catalogue.rows()
    stray = {number: tests for number, tests in catalogue.proofs().items() if number not in known}
    assert not stray


def test_the_rows_are_complete_and_say_something() -> None:
    rows = catalogue.rows()
    required = sorted(row.number for row in rows.values() if row.section in catalogue.REQUIRED)
    assert required[:106] == list(range(1, 107))
    assert sorted(rows) == list(range(1, len(rows) + 1))
    assert all(
        row.scenario and row.must_hold and "|" not in row.scenario + row.must_hold for row in rows.values()
    )


def test_the_page_is_current() -> None:
    page = ROOT / "docs/reference/failures.md"
    assert page.read_text(encoding="utf-8") == catalogue.catalogue_markdown(), (
        "run: python tools/reference.py"
    )


MARKED = """
import pytest

pytestmark = pytest.mark.catalogue(1)
CASES = [pytest.param(1, marks=pytest.mark.catalogue(2))]

@pytest.mark.catalogue(3, 4)
async def test_a(): ...

@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.catalogue(5))])
def test_b(x): ...

@pytest.mark.catalogue(6)
class TestC:
    @pytest.mark.catalogue(7)
    def test_d(self): ...

def test_unmarked():
    catalogue(8)
"""


def test_marks_are_read_wherever_they_stand() -> None:
    assert list(catalogue.marks(ast.parse(MARKED))) == [
        ("", 1),
        ("", 2),
        ("test_a", 3),
        ("test_a", 4),
        ("test_b", 5),
        ("TestC", 6),
        ("TestC::test_d", 7),
    ]


def test_a_mark_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="row numbers"):
        list(catalogue.marks(ast.parse("@pytest.mark.catalogue(*rows)\ndef test_x(): ...")))
