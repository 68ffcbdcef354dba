"""One bot for all tests of a process: it has traded two days and stands still."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from served import ServedBot, overrides

from cab_core.cli import invoke
from cab_core.data.files import write_candles
from cab_core.data.generator import generate
from cab_core.settings import SETTINGS, load_settings

SYMBOLS = ("BTC/USDT", "ETH/USDT")


@pytest.fixture(scope="session")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose bot has traded two days of the market it goes on with."""
    folder = tmp_path_factory.mktemp("bot")
    for days in (2, 3):
        for symbol in SYMBOLS:
            write_candles(folder / "market" / f"{symbol.replace('/', '-')}.csv", generate(symbol, days, 11))
        if days == 2:
            saved = {row.name: os.environ.pop(row.name) for row in SETTINGS if row.name in os.environ}
            here = Path.cwd()
            os.chdir(folder)
            try:
                sets = [part for each in overrides(folder) for part in ("--set", each)]
                assert invoke(["run", "--market", "file:market", "--speed", "max", "--json", *sets]) == 0
            finally:
                os.chdir(here)
                os.environ.update(saved)
    return folder


@pytest.fixture(scope="session")
def bot(traded: Path) -> Iterator[ServedBot]:
    settings = load_settings({}, traded, overrides(traded)).settings
    served = ServedBot(settings, f"file:{traded / 'market'}")
    served.start()
    yield served
    served.stop()
