from __future__ import annotations

import re
from pathlib import Path

import pytest

from cab_core.events import TOPICS, reference_page

#: Topics that the specification names.
SPECIFIED = {
    "order.partially.filled",
    "trade.completed",
    "trade.settled",
    "trade.settlement.timeout",
    "regime.changed",
    "risk.blocked",
    "emergency.stop",
    "reconciliation.completed",
}


def test_the_topics_of_the_specification_exist() -> None:
    assert set(TOPICS) >= SPECIFIED


@pytest.mark.parametrize("name", sorted(TOPICS))
def test_a_topic_is_documented(name: str) -> None:
    topic = TOPICS[name]
    assert topic.name == name
    assert re.fullmatch(r"[a-z]+(\.[a-z]+)*", name)
    assert topic.help.endswith(".")
    assert topic.keys
    assert all(topic.keys.values())


def test_the_reference_page_is_current() -> None:
    root = next(folder for folder in Path(__file__).resolve().parents if (folder / "docs").is_dir())
    page = (root / "docs" / "reference" / "events.md").read_text(encoding="utf-8")
    assert page == reference_page(), (
        "run: python -c 'from cab_core.events import *; print(reference_page(), end=\"\")'"
    )
