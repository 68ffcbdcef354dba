"""Makes bots whose desk the tests sit at."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from operators_office import BTC, Office


@pytest.fixture
def office(tmp_path: Path) -> Callable[..., Office]:
    """Makes a bot of one symbol with enough market for a day at the desk."""

    def make(*overrides: str, symbols: tuple[str, ...] = (BTC,), bars: int = 96 * 30) -> Office:
        return Office.made(tmp_path, *symbols, bars=bars, overrides=overrides)

    return make
