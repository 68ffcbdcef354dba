"""Reasons as integers, so that a year of them is one column."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cab_core.domain.aggregation import Aggregate
from cab_core.domain.quality import BuyBlock

ReasonColumn = npt.NDArray[np.int32]


class Reasons:
    """Encodes reasons: values >= 0 are `Aggregate` codes, negative ones point into a table of names.

    Args:
        strategies: names in set order, to decode ``first:<name>``.
    """

    def __init__(self, strategies: Sequence[str]) -> None:
        self._strategies = tuple(strategies)
        self._names: list[str] = []
        self._codes: dict[str, int] = {}
        self._texts: dict[int, str] = {}
        self.blocks = np.array([self.code(block.reason) for block in BuyBlock], np.int32)

    def code(self, name: str) -> int:
        """Return the code of a reason that is not the aggregate's."""
        code = self._codes.get(name)
        if code is None:
            self._names.append(name)
            code = self._codes[name] = -len(self._names)
        return code

    def text(self, code: int) -> str:
        """Return the reason of a code."""
        if code < 0:
            return self._names[-code - 1]
        text = self._texts.get(code)
        if text is None:
            empty = np.zeros(1)
            one = Aggregate(empty.astype(np.int8), empty, np.array([code], np.int32), self._strategies)
            text = self._texts[code] = one.reason(0)
        return text

    def checksums(self, column: ReasonColumn) -> npt.NDArray[np.uint32]:
        """Return the CRC-32 of each row's reason: equal columns of reasons, whatever their codes."""
        codes = np.unique(column)
        sums = np.array([zlib.crc32(self.text(int(code)).encode()) for code in codes], np.uint32)
        return sums[np.searchsorted(codes, column)]

    def counts(self, column: ReasonColumn) -> dict[str, int]:
        """Return how often each reason occurs, the most frequent first."""
        codes, counts = np.unique(column, return_counts=True)
        found = {self.text(int(code)): int(count) for code, count in zip(codes, counts, strict=True)}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
