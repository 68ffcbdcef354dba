"""Small arithmetic on columns that all indicators and strategies share."""

from __future__ import annotations

import numpy as np

from cab_core.domain.bars import FloatArray


def undefined(n: int) -> FloatArray:
    """Return a column of ``n`` NaN."""
    return np.full(n, np.nan)


def aligned(values: FloatArray, n: int) -> FloatArray:
    """Put ``values`` at the end of a column of length ``n``; the rows before are NaN."""
    column = np.empty(n)
    first = n - len(values)
    column[:first] = np.nan
    column[first:] = values
    return column


def previous(column: FloatArray) -> FloatArray:
    """Return the column as it stood one bar earlier; row 0 is NaN."""
    return aligned(column[:-1], len(column))


def ratio(numerator: FloatArray, divisor: FloatArray) -> FloatArray:
    """Return ``numerator / divisor``, 0 where the divisor is 0: a strength measured by nothing is nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient: FloatArray = numerator / divisor
    quotient[divisor == 0.0] = 0.0
    return quotient
