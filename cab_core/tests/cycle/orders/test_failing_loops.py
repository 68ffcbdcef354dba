"""A loop that fails again and again is told of, and no other symbol's beat hides it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from odd_venue import D, Venue, account

from cab_core.app.ids import SystemIds
from cab_core.bus.memory import MemoryBus
from cab_core.clock import VirtualClock
from cab_core.cycle.announce import Announcer
from cab_core.cycle.beats import Beats
from cab_core.cycle.execute_trade import Execution
from cab_core.cycle.supervise import Loop, State, Supervisor
from cab_core.domain.book import Book

SYMBOLS = ("BTC/USDT", "ETH/USDT")
MINUTE_MS = 60_000


async def failures(gap_ms: int, times: int) -> list[Mapping[str, Any]]:
    """Let a loop of exits fail that often, each time after it went well for a while; return the alerts."""
    clock, bus, heard = VirtualClock(0), MemoryBus(), []

    async def hear(_: str, payload: Mapping[str, Any], __: str) -> None:
        heard.append(payload)

    bus.subscribe("alert", hear)
    left = [None] * times

    async def exits() -> None:
        await clock.sleep_until(clock.now_ms() + gap_ms)
        if left:
            left.pop()
            raise ZeroDivisionError("of nothing")

    announcer = Announcer(bus, Book(D(1), {}))
    supervisor = Supervisor(clock, SystemIds(), announcer.state, announcer.failing)
    supervisor.begin("BTC/USDT", State.RUNNING, "0" * 16)
    await supervisor.run([Loop("BTC/USDT", "exits", exits)])
    await bus.drain()
    await bus.close()
    return heard


async def test_a_loop_that_fails_again_and_again_is_told_of() -> None:
    told = await failures(5_000, 4)
    assert [alert["severity"] for alert in told] == ["critical"] * 2
    assert "loop exits of BTC/USDT has failed 3 times in a row: of nothing" in told[0]["text"]


@pytest.mark.parametrize(("gap_ms", "times"), [(5_000, 2), (60 * MINUTE_MS, 9)])
async def test_a_loop_that_fails_now_and_then_is_not(gap_ms: int, times: int) -> None:
    assert await failures(gap_ms, times) == []


async def test_no_beat_while_one_position_is_not_looked_after(tmp_path: Path) -> None:
    venue = Venue(VirtualClock(1_700_000_000_000), SYMBOLS)
    async with account(tmp_path, venue) as bot:
        beats: list[int] = []
        bot.exits.looked = Beats(
            lambda: bot.trader.book.positions, lambda: beats.append(bot.clock.now_ms())
        ).looked
        await bot.watch(10)
        assert len(beats) == 2  # nothing is held: any look will do
        for symbol in SYMBOLS:
            await bot.buy(symbol=symbol)
        for symbol in SYMBOLS:
            await bot.look(symbol)
        assert len(beats) == 3
        await bot.watch(600)  # of the first symbol alone
        assert len(beats) == 3
        await bot.look(SYMBOLS[1])
        assert len(beats) == 4


async def test_an_order_that_cannot_be_looked_after_holds_up_neither_price_nor_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong with an order, also a bug: the price is judged, then the error is told."""
    async with account(tmp_path) as bot:
        await bot.buy()

        async def broken(*_: object) -> None:
            raise ZeroDivisionError("a bug")

        monkeypatch.setattr(Execution, "tend", broken)
        bot.venue.price = D(94)
        with pytest.raises(ZeroDivisionError):
            await bot.look()
        assert bot.held() == 0
