"""Fixtures: a live bot as a process of its own, on real time, beside an exchange that tests look into."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "live"))
sys.path.insert(0, str(Path(__file__).parents[2] / "cab_core" / "tests"))
from live_bench import SYMBOL, install_strategy
from live_desk import OTHER_KEY, SECOND_KEY, LiveDesk, exchange_of_now
from own_redis import RedisServer, running_redis

from cab_exchange_sim.keys import ApiKey
from cab_exchange_sim.testing import running_exchange


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Callable[..., LiveDesk]]:
    """Make a desk: ``desk(DMS_RESTART_SEC="1")``; its processes end with the test."""
    install_strategy(tmp_path / "site")
    made: list[LiveDesk] = []
    with ExitStack() as stack:

        def make(url: str = "", symbols: Sequence[str] = (SYMBOL,), **settings: str) -> LiveDesk:
            served = stack.enter_context(
                running_exchange(
                    exchange_of_now(symbols),
                    rate=1.0,
                    key=f"k{uuid4().hex}",  # the host's lock of an account knows it by its key
                    secret=f"s{uuid4().hex}",
                    more_keys=[ApiKey(*SECOND_KEY, "main"), ApiKey(*OTHER_KEY, "other")],
                )
            )
            folder = tmp_path / f"desk-{len(made)}"
            folder.mkdir()
            made.append(LiveDesk(folder, tmp_path / "site", served, settings, url=url))
            return made[-1]

        yield make
        for each in made:
            each.clean_up()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A running Redis server of the test's own."""
    with running_redis(tmp_path) as server:
        yield server
