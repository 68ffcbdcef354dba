"""Bots on a real connection to the emulator, and people who write to them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from people import Server, running_bot

from cab_core.testing import CannedDesk


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The emulator, one process for all tests."""
    with Server.started() as server:
        yield server


@pytest.fixture
def people(server: Server, request: pytest.FixtureRequest):
    """The people of a bot whose token no other test has."""
    return server.people(request.node.name)


@pytest.fixture
def desk() -> CannedDesk:
    return CannedDesk()


@pytest.fixture
async def bot(people, desk: CannedDesk) -> Callable:
    """Start a bot: ``await bot(admins=(1,))``; it ends with the test."""
    async with AsyncExitStack() as stack:

        async def start(on=desk, **options):
            return await stack.enter_async_context(running_bot(people, on, **options))

        yield start
