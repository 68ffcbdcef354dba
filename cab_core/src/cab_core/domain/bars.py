"""Bars: read-only float64 columns of closed candles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]


def _frozen(array: npt.NDArray[np.generic]) -> None:
    array.flags.writeable = False


@attrs.frozen(eq=False, slots=True)
class Bars:
    """Closed candles of one symbol and timeframe, oldest first, as aligned columns of length N.

    Attributes:
        ts_ms: open times in epoch milliseconds, int64, strictly increasing.
        open: open prices, float64. Likewise ``high``, ``low`` and ``close``.
        volume: base volume, float64, >= 0.
        synthetic: True where a missing candle was filled with the previous close and volume 0.

    Slicing returns views; all columns are read-only.
    """

    ts_ms: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    synthetic: BoolArray

    def __attrs_post_init__(self) -> None:
        for column in self.columns():
            _frozen(column)

    @classmethod
    def of(
        cls,
        ts_ms: npt.ArrayLike,
        open: npt.ArrayLike,  # noqa: A002 - the column's name in the field
        high: npt.ArrayLike,
        low: npt.ArrayLike,
        close: npt.ArrayLike,
        volume: npt.ArrayLike,
        synthetic: npt.ArrayLike | None = None,
    ) -> Bars:
        """Build bars from anything array-like; the input is copied, so callers keep theirs writable."""
        stamps = np.array(ts_ms, dtype=np.int64)
        flags = np.zeros(len(stamps), np.bool_) if synthetic is None else np.array(synthetic, np.bool_)
        floats = [np.array(c, dtype=np.float64) for c in (open, high, low, close, volume)]
        return cls(stamps, floats[0], floats[1], floats[2], floats[3], floats[4], flags)

    def columns(self) -> tuple[npt.NDArray[np.generic], ...]:
        """Return all columns in the order of the attributes."""
        return (self.ts_ms, self.open, self.high, self.low, self.close, self.volume, self.synthetic)

    def candle(self, row: int) -> dict[str, float]:
        """Return prices and volume of one bar by name."""
        names = ("open", "high", "low", "close", "volume")
        return {name: float(column[row]) for name, column in zip(names, self.columns()[1:6], strict=True)}

    def __len__(self) -> int:
        return len(self.ts_ms)

    def __getitem__(self, rows: slice) -> Bars:
        return Bars(
            self.ts_ms[rows],
            self.open[rows],
            self.high[rows],
            self.low[rows],
            self.close[rows],
            self.volume[rows],
            self.synthetic[rows],
        )

    def take(self, rows: IntArray | BoolArray) -> Bars:
        """Return copies of the rows given by their indices or by a mask of length N."""
        return Bars(
            self.ts_ms[rows],
            self.open[rows],
            self.high[rows],
            self.low[rows],
            self.close[rows],
            self.volume[rows],
            self.synthetic[rows],
        )

    def __iter__(self) -> Iterator[tuple[int, float, float, float, float, float]]:
        floats = (self.open, self.high, self.low, self.close, self.volume)
        return iter(zip(self.ts_ms.tolist(), *(c.tolist() for c in floats), strict=True))
