"""Options of the tests that run the bot for a while, and databases on both engines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from database_servers import fresh_database, needs_postgres

POSTGRES = pytest.param("postgresql", marks=[pytest.mark.postgres, needs_postgres])


@pytest.fixture(params=["sqlite", POSTGRES])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a test on both engines: the URL of an empty database on the server, or nothing for a file."""
    if request.param == "sqlite":
        yield ""
        return
    with fresh_database() as url:
        yield url


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
