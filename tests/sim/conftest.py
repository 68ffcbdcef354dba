"""Makes the simulation importable by the name that ``python -m tests.sim`` gives it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
pytest.register_assert_rewrite("tests.sim.seeded_days")
