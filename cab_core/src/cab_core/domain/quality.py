"""The quality stage: trend and volume filters on buys (spec 4.3, 4.4)."""

from __future__ import annotations

from enum import IntEnum

import attrs
import numpy as np
import numpy.typing as npt

from cab_core.domain.bars import BoolArray
from cab_core.domain.signals import ActionArray
from cab_core.domain.trend import Trend, TrendSettings

BlockArray = npt.NDArray[np.int8]


class BuyBlock(IntEnum):
    """Why a bar allows no buys; ``NONE`` where it does. The names in lower case are the reasons."""

    NONE = 0
    AGAINST_TREND = 1
    TREND_NOT_UP = 2
    TREND_INSUFFICIENT_HISTORY = 3
    LOW_VOLUME = 4

    @property
    def reason(self) -> str:
        """The reason in traces, empty for ``NONE``."""
        return self.name.lower() if self else ""


@attrs.frozen(eq=False, slots=True)
class Filtered:
    """Actions after the buy filters.

    Attributes:
        action: int8, shape [S, N]; buys of blocked bars have become holds.
        block: int8 `BuyBlock` per bar: why its buys are stopped, whether or not there was one.
    """

    action: ActionArray
    block: BlockArray


def filter_buys(
    action: ActionArray,
    trend_state: npt.NDArray[np.int8],
    volume_ok: BoolArray | None,
    settings: TrendSettings,
) -> Filtered:
    """Turn the buys of bars that trend or volume speaks against into holds; sells are never touched.

    Args:
        action: int8, shape [S, N].
        trend_state: `TrendRows.state`.
        volume_ok: `VolumeRows.ok`, None with the volume filter off. If both fail the trend gives the reason.
        settings: which trend states stop buys.
    """
    block = trend_block(trend_state, settings)
    free = block == BuyBlock.NONE.value
    if volume_ok is not None:
        block[free & ~volume_ok] = BuyBlock.LOW_VOLUME.value
        free &= volume_ok
    return Filtered(np.minimum(action, free.view(np.int8)), block)


def trend_block(trend_state: npt.NDArray[np.int8], settings: TrendSettings) -> BlockArray:
    """Return per bar why the trend stops buys, `BuyBlock.NONE` where it does not."""
    by_state = np.zeros(4, np.int8)
    by_state[Trend.DOWN + 1] = BuyBlock.AGAINST_TREND
    if settings.require_up:
        by_state[Trend.FLAT + 1] = BuyBlock.TREND_NOT_UP
    if settings.unknown_blocks:
        by_state[Trend.UNKNOWN + 1] = BuyBlock.TREND_INSUFFICIENT_HISTORY
    return by_state[trend_state + 1]
