"""Everything a user can name is documented; pages made from the code are the committed ones."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

import pytest
from repository import ROOT, SOURCES

import cab_core.errors
import cab_core.events

sys.path.insert(0, str(ROOT / "tools"))
import reference


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [
        "docs/reference/hooks.md",
        "docs/reference/cli.md",
        "docs/reference/openapi.json",
        "docs/reference/api.md",
    ],
)
def test_a_page_made_from_the_code_is_current(name: str) -> None:
    assert page(name) == reference.PAGES[name](), "run: python tools/reference.py"


def error_codes() -> set[str]:
    return {code for path in SOURCES for code in re.findall(r"CAB-E\d{3}", path.read_text(encoding="utf-8"))}


def missing(names: Iterable[str], text: str) -> list[str]:
    return [name for name in names if f"`{name}`" not in text]


def test_every_error_code_is_documented() -> None:
    assert len(error_codes()) > 3
    assert not missing(error_codes(), page("docs/reference/errors.md"))


def test_every_event_is_documented() -> None:
    topics = [topic.name for topic in cab_core.events.TOPICS.values()]
    assert len(topics) > 5
    assert not missing(topics, page("docs/reference/events.md"))


def test_every_page_is_reached_from_the_index() -> None:
    index = page("docs/README.md")
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")} - {
        "README.md"
    }
    assert not {name for name in pages if f"({name})" not in index}


def test_no_link_between_the_pages_is_broken() -> None:
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    links = [
        (path, target)
        for path in files
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
        if "://" not in target
    ]
    assert links
    assert not [f"{path.name}: {target}" for path, target in links if not (path.parent / target).exists()]
