"""What the simulated days of a range of seeds have to pass; see the test files that name a range."""

from __future__ import annotations

from typing import ClassVar

import pytest
from tests.sim.batch import Total
from tests.sim.plan import DOWNTIMES_S, HANDS, READ_FAULTS, SEND_FAULTS, WINDOWS
from tests.sim.seeds import gaps, total_of


class SeededDays:
    """A simulated day for each seed: crashes and faults of every kind, and nothing breaks."""

    first: ClassVar[int]
    last: ClassVar[int]

    @pytest.fixture(scope="class")
    @classmethod
    def simulated(cls) -> tuple[Total, list[str]]:
        return total_of(cls.first, cls.last)

    @pytest.mark.catalogue(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 18)
    @pytest.mark.catalogue(19, 20, 23, 25, 26, 27, 36, 38, 39, 40, 41, 42, 43, 44, 46, 47, 48)
    @pytest.mark.catalogue(52, 57, 58, 63, 64, 65, 66, 67, 75)
    def test_every_invariant_holds_after_every_crash_and_at_rest(
        self, simulated: tuple[Total, list[str]]
    ) -> None:
        total, violations = simulated
        assert violations == []
        assert total.days == self.last - self.first + 1

    def test_the_order_of_a_life_was_cut_everywhere(self, simulated: tuple[Total, list[str]]) -> None:
        total, _ = simulated
        assert gaps(total, 5) == {}
        assert total.kills.total() >= 300
        assert len(total.kills) >= 70

    def test_every_fault_struck(self, simulated: tuple[Total, list[str]]) -> None:
        total, _ = simulated
        wanted = {
            *SEND_FAULTS,
            *READ_FAULTS,
            *WINDOWS,
            *HANDS,
            *(f"down for {s} s" for s in DOWNTIMES_S[:-1]),
        }
        assert {fault for fault in wanted if not total.struck[fault]} == set()
        assert total.intents >= 20 * total.days
        assert total.fills >= 8 * total.days
