"""Seeds 51 to 100; two files, so that two workers share them."""

from __future__ import annotations

import pytest
from tests.sim.seeded_days import SeededDays

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class TestSeeds(SeededDays):
    first, last = 51, 100
