"""Options of the tests that run the bot for a while."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("cab")
    group.addoption(
        "--paper-mode",
        action="store_true",
        help="only the paper run that is compared with a reference run",
    )
    group.addoption(
        "--duration",
        default="2h",
        metavar="TIME",
        help="how much market time it lives through, e.g. 30m or 12h",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--paper-mode"):
        return
    kept = [item for item in items if item.get_closest_marker("paper_reference")]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
