from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cab_core.domain.bars import Bars


def _folder() -> Path:
    for parent in Path(__file__).resolve().parents:
        found = parent.parent / "shared" / "reference"
        if found.is_dir():
            return found
    pytest.skip("no shared/reference beside the checkout")


@pytest.fixture(scope="session")
def vectors() -> Callable[[str], Any]:
    """Read a JSON file of reference vectors."""
    return lambda name: json.loads((_folder() / name).read_text())


@pytest.fixture(scope="session")
def rows() -> Callable[[str], list[dict[str, str]]]:
    """Read a CSV file of reference vectors."""

    def read(name: str) -> list[dict[str, str]]:
        with (_folder() / name).open() as file:
            return list(csv.DictReader(file))

    return read


@pytest.fixture(scope="session")
def candles(rows: Callable[[str], list[dict[str, str]]]) -> Callable[[str], Bars]:
    """Read a reference file of candles."""

    def read(name: str) -> Bars:
        table = rows(name)
        ts_ms = [int(row["ts_ms"]) for row in table]
        columns = [[float(row[c]) for row in table] for c in ("open", "high", "low", "close", "volume")]
        return Bars.of(ts_ms, *columns)

    return read
