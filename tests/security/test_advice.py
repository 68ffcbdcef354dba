"""The documentation tells nobody to break what keeps the account safe."""

from __future__ import annotations

import re

import pytest
from repository import ROOT

#: Removing locks, editing the database, emptying Redis, opening files to all, trusting any certificate.
DANGEROUS = re.compile(
    r"\brm\b[^\n]*(lock|sqlite|-wal|-shm)"
    r"|\b(DELETE|UPDATE|INSERT|DROP|TRUNCATE)\s+(FROM|INTO|TABLE|journal|positions)"
    r"|redis-cli|FLUSH(ALL|DB)"
    r"|chmod\s+(-R\s+)?(777|666|a\+)"
    r"|--privileged|--network[= ]host|--no-verify"
    r"|sqlite3\s+\S*(data|sqlite)",
)


def advice(text: str) -> list[str]:
    return [line for line in text.splitlines() if DANGEROUS.search(line)]


def test_no_page_gives_dangerous_advice() -> None:
    pages = [
        *ROOT.glob("*.md"),
        *(ROOT / "docs/how-to").rglob("*.md"),
        *(ROOT / "docs/tutorial").rglob("*.md"),
    ]
    assert len(pages) > 8
    assert {page.name: found for page in pages if (found := advice(page.read_text()))} == {}


@pytest.mark.parametrize(
    "line",
    [
        "rm /tmp/crypto-bot.lock",
        "DELETE FROM positions;",
        "redis-cli DEL lock",
        "chmod 777 data",
        "rm -f t.sqlite3-wal",
    ],
)
def test_the_search_finds_what_it_looks_for(line: str) -> None:
    assert advice(f"Then run\n{line}\n") == [line]
