"""A position outlives the strategy that opened it."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from cab_core.app.verify import check_database, violated
from cab_core.domain.orders import Purpose
from cab_core.storage import load_positions, visit

BTC = "BTC/USDT"


@pytest.mark.catalogue(105)
async def test_a_position_is_supervised_to_its_exit_without_its_strategy(bench: Any) -> None:
    """Its own levels stay in force although the strategy is gone and the settings have others now."""
    desk = bench(bars=2, overrides=("TAKE_PROFIT_1_PCT=0.3", "TAKE_PROFIT_2_PCT=0.6", "STOP_LOSS_PCT=0.4"))
    await desk.run()
    opened = visit(desk.database, load_positions)[BTC]
    assert opened["votes"] == ["clockwork"]

    gone = ("STRATEGY_SET=donchian_breakout", "TAKE_PROFIT_1_PCT=50", "TAKE_PROFIT_2_PCT=60")
    later = await attrs.evolve(desk, bars=60, overrides=(*gone, "STOP_LOSS_PCT=50")).run()

    exits = [order for order in later.orders if order.intent.key.split("|")[3].startswith(opened["id"])]
    assert exits
    assert {order.intent.purpose for order in exits} <= {
        Purpose.STOP_LOSS,
        Purpose.TAKE_PROFIT_1,
        Purpose.TAKE_PROFIT_2,
        Purpose.BREAKEVEN,
        Purpose.TRAIL,
    }
    assert visit(desk.database, load_positions).get(BTC, {}).get("id") != opened["id"]
    assert not violated(visit(desk.database, check_database))
