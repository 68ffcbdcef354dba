"""A run that ends in the middle of an order: the next one settles it before it does anything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from live_bench import LiveBench

from cab_core.domain.money import floor_step
from cab_core.domain.orders import OrderState, Purpose
from cab_core.errors import StorageError
from cab_core.ports import Changes, Committed

pytestmark = pytest.mark.idempotency

Bench = Callable[..., LiveBench]


@attrs.frozen
class Failing:
    """A storage that fails when an order of this purpose is about to be sent."""

    inner: Any
    purpose: Purpose

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def commit(self, changes: Changes) -> Committed:
        for move in changes.moved:
            if move.to is OrderState.SENT and f"|{self.purpose}|" in move.key:
                raise StorageError("the disk broke")
        return await self.inner.commit(changes)


@pytest.mark.catalogue(7)
async def test_an_order_whose_trades_were_not_read_yet_is_settled_by_the_next_run(bench: Bench) -> None:
    live = bench()
    live.pair.trade_delay_ms = 60_000  # within the time that an order waits for its trades
    await live.run(0.5, buys=[-1])
    assert [order["state"] for order in live.orders(Purpose.ENTRY)] == ["acked"]
    assert live.held == 0
    await live.run(14, buys=[-1])
    (entry,) = live.orders(Purpose.ENTRY)
    assert (entry["state"], entry["message"]) == ("done", "filled")
    assert live.held == live.bought() > 0
    live.assert_sound()


@pytest.mark.catalogue(9)
async def test_a_position_whose_stop_was_not_placed_is_protected_before_anything_else(bench: Bench) -> None:
    live = bench()

    def break_down() -> None:
        settlement = live.session.orchestrator.execution.settlement
        settlement.storage = Failing(settlement.storage, Purpose.STOP_LOSS)

    live.at(14, break_down, in_bot=True)
    with pytest.raises(StorageError, match="the disk broke"):
        await live.run(20, buys=[0])
    assert live.stops() == []
    assert live.held == live.bought() > 0
    started_ms = live.venue.exchange.now_ms
    await live.run(25, buys=[0])
    placed = live.venue.exchange.ledger.of_kind("stop")[0]
    assert placed.ms - started_ms < 2_000  # not at the first look at the price, 20 s later
    live.assert_sound()


@pytest.mark.catalogue(12)
async def test_an_exit_whose_stop_was_already_lifted_is_made_by_the_next_run(bench: Bench) -> None:
    live = bench()

    def break_down() -> None:
        settlement = live.session.orchestrator.execution.settlement
        settlement.storage = Failing(settlement.storage, Purpose.SIGNAL_SELL)

    live.at(14, break_down, in_bot=True)
    with pytest.raises(StorageError, match="the disk broke"):
        await live.run(20, buys=[-1], sells=[0])
    assert live.stops() == []
    assert live.held == live.bought() > 0
    assert [order["state"] for order in live.orders(Purpose.SIGNAL_SELL)] == ["planned"]
    started_ms = live.venue.exchange.now_ms
    await live.run(25, buys=[-1])
    (sale,) = live.orders(Purpose.SIGNAL_SELL)
    assert sale["state"] == "done"
    assert sale["sent_ms"] - started_ms < 5_000
    assert live.held == 0
    assert live.sold() == floor_step(
        live.bought(), live.venue.exchange.market("BTC_USDT").instrument.amount_step
    )
    live.assert_sound()
