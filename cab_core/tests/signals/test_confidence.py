from __future__ import annotations

import numpy as np
import pytest

from cab_core.domain.signals import confidence_of


@pytest.mark.parametrize(
    ("strength", "confidence"),
    [
        (0.0, 0.4),
        (0.5, 0.7),
        (1.0, 1.0),
        (7.0, 1.0),
        (-3.0, 0.4),
        (np.nan, 0.4),
        (np.inf, 0.4),
        (-np.inf, 0.4),
    ],
)
def test_a_strength_is_a_confidence_and_no_number_is_no_strength(strength: float, confidence: float) -> None:
    assert confidence_of(np.array([strength])).tolist() == [pytest.approx(confidence, abs=1e-15)]
