"""Every row of the failure catalogue is proved by a test that says so; the page shows what is there."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest
from repository import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import catalogue

#: Shorter than this is no reason.
LEAST_REASON = 20

#: What starts another program.
STARTS = re.compile(r"subprocess\.(Popen|run)\(|create_subprocess_exec\(")


def test_every_row_is_proved_on_what_it_says() -> None:
    """A proof that is lost, or one that has become stronger than its row says, is found here."""
    proved = catalogue.proofs()
    wrong = [
        f"{row.number}. {row.scenario}: says {row.kind}, is proved on {found}"
        for row in catalogue.rows().values()
        if row.kind != (found := catalogue.strongest(proved.get(row.number, ())))
    ]
    assert not wrong, "\n".join(wrong)


def test_what_is_not_proved_on_the_bot_says_why() -> None:
    rows = catalogue.rows().values()
    mute = [row.number for row in rows if row.kind in ("part", "open") and len(row.reason) < LEAST_REASON]
    wordy = [row.number for row in rows if row.kind in ("process", "bot") and row.reason]
    assert (mute, wordy) == ([], [])
    assert [row.number for row in rows if row.kind == "open" and row.section in catalogue.REQUIRED] == [89]


def test_proofs_on_the_process_start_one() -> None:
    """A file below ``tests/e2e`` starts programs itself, or through a helper beside it that does."""
    files = {
        proof.path for found in catalogue.proofs().values() for proof in found if proof.kind == "process"
    }
    idle = [path for path in sorted(files) if not _starts_programs(ROOT / path)]
    assert files
    assert not idle


def _starts_programs(path: Path) -> bool:
    text = path.read_text(encoding="utf-8")
    if STARTS.search(text):
        return True
    helpers = (path.parent / f"{name}.py" for name in re.findall(r"^from (\w+) import", text, re.MULTILINE))
    return any(helper.is_file() and STARTS.search(helper.read_text(encoding="utf-8")) for helper in helpers)


def test_every_mark_names_a_row() -> None:
    known = catalogue.rows()
    stray = {number: tests for number, tests in catalogue.proofs().items() if number not in known}
    assert not stray


def test_the_rows_are_complete_and_say_something() -> None:
    rows = catalogue.rows()
    required = sorted(row.number for row in rows.values() if row.section in catalogue.REQUIRED)
    assert required[:106] == list(range(1, 107))
    written = (ROOT / "tools/catalogue.toml").read_text(encoding="utf-8")
    assert len(re.findall(r"^\d+ = ", written, re.MULTILINE)) == len(rows), "a number is used twice"
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
