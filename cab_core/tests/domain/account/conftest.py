"""Makes the helpers beside the tests importable, and reads the reference cases."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def _reference(name: str) -> dict[str, Any]:
    root = next(p for p in Path(__file__).resolve().parents if (p / "requirements-workspace.txt").exists())
    path = root.parent / "shared" / "reference" / name
    if not path.exists():
        pytest.skip(f"no reference vectors at {path}")
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="session")
def cases() -> dict[str, Any]:
    """The reference cases of the account, which lie beside the checkout and not in it."""
    return _reference("cases_a.json")


@pytest.fixture(scope="session")
def exit_cases() -> dict[str, Any]:
    """The reference cases of protective exits along candles, beside the checkout likewise."""
    return _reference("exits_a.json")
