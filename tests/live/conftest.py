"""Fixtures: a live bot beside an exchange, on candles that the test lays out."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from live_bench import FLAT, RULES, START_MS, SYMBOL, D, LiveBench, install_strategy, market

from cab_core.domain.bars import Bars
from cab_exchange_sim.engine import Exchange, VenueSettings
from cab_exchange_sim.testing import running_exchange


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of packages with the scripted strategy, on the path of this process."""
    folder = tmp_path_factory.mktemp("live") / "site"
    install_strategy(folder)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture
def bench(tmp_path: Path, site: Path) -> Iterator[Callable[..., LiveBench]]:
    """Make a bench: ``bench([(100, 103, 100, 103)], EXITS_INTERVAL_SEC="1")``."""
    assert site
    with ExitStack() as stack:

        def make(candles: Any = (FLAT,), venue: VenueSettings | None = None, **settings: str) -> LiveBench:
            exchange = Exchange(
                {SYMBOL: candles if isinstance(candles, Bars) else market(candles)},
                settings=venue,
                instruments={SYMBOL: RULES},
                balances={"main": {"USDT": D(10_000)}},
            )
            exchange.advance(START_MS)
            served = stack.enter_context(
                running_exchange(exchange, key="k83hf93hf03k", secret="s93hf93hf93hf0")
            )
            folder = tmp_path / f"bench-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            return LiveBench(folder, served, served.base_url, settings)

        yield make
