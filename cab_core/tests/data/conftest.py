from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def recorded() -> Path:
    """The folder of recorded candles beside the checkout."""
    for parent in Path(__file__).resolve().parents:
        found = parent.parent / "shared" / "data" / "ohlcv"
        if found.is_dir():
            return found
    pytest.skip("no shared/data/ohlcv beside the checkout")
