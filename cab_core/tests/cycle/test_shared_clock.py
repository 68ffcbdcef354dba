"""A virtual clock that another process follows, and the lock whose waiters let time go on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from cab_core.clock import TurnLock, VirtualClock


async def together(clock: VirtualClock, *work: Coroutine[None, None, None]) -> list[object]:
    """Run tasks that all join before time passes; return what became of them."""
    async with clock.joined():
        tasks = [asyncio.create_task(each) for each in work]
        await asyncio.sleep(0)
    done = await asyncio.gather(*tasks, return_exceptions=True)
    for each in done:
        if isinstance(each, Exception):
            raise each
    return list(done)


async def test_the_other_process_is_never_ahead_of_who_was_handed_the_lock() -> None:
    led: list[int] = []
    seen: list[tuple[int, int]] = []

    async def lead(to_ms: int) -> None:
        led.append(to_ms)
        await asyncio.sleep(0)

    clock = VirtualClock(0, lead=lead)
    lock = TurnLock(clock)

    async def work(name: int) -> None:
        async with clock.joined():
            for _ in range(5):
                async with lock:
                    await asyncio.sleep(0)
                    seen.append((clock.now_ms(), led[-1] if led else 0))
                await clock.sleep_until(clock.now_ms() + 1000 * name)

    await asyncio.wait_for(together(clock, work(1), work(2), work(3)), 5)
    assert len(seen) == 15
    assert all(ours == theirs for ours, theirs in seen)
    assert led == sorted(led)


async def test_who_sleeps_hears_that_the_other_process_is_gone() -> None:
    async def lead(to_ms: int) -> None:
        if to_ms == 2000:
            raise ConnectionError("it is gone")

    clock = VirtualClock(0, lead=lead)
    heard: list[str] = []

    async def work() -> None:
        async with clock.joined():
            for _ in range(3):
                try:
                    await clock.sleep_until(clock.now_ms() + 1000)
                except ConnectionError as error:
                    heard.append(f"{error} at {clock.now_ms()}")

    await asyncio.wait_for(together(clock, work()), 5)
    assert heard == ["it is gone at 2000"]
    assert clock.now_ms() == 3000


async def test_a_task_that_takes_the_lock_again_at_once_waits_its_turn() -> None:
    clock = VirtualClock(0)
    lock = TurnLock(clock)
    order: list[str] = []

    async def greedy() -> None:
        async with clock.joined():
            for _ in range(3):
                async with lock:
                    order.append("greedy")
                    await clock.sleep_until(clock.now_ms() + 10)

    async def patient() -> None:
        async with clock.joined():
            await clock.sleep_until(5)
            async with lock:
                order.append("patient")

    await asyncio.wait_for(together(clock, greedy(), patient()), 5)
    assert sorted(order) == ["greedy", "greedy", "greedy", "patient"]
    assert order.index("patient") < 3


async def test_who_is_cancelled_while_waiting_for_a_turn_leaves_the_lock_free() -> None:
    clock = VirtualClock(0)
    lock = TurnLock(clock)
    waiters: list[asyncio.Task[None] | None] = []

    async def hold() -> None:
        async with clock.joined():
            async with lock:
                await clock.sleep_until(10)
            for _ in range(3):
                await asyncio.sleep(0)  # the waiter has the lock by now and waits for its turn
            assert waiters[0] is not None
            waiters[0].cancel()
            await clock.sleep_until(20)
            async with lock:
                return

    async def wait() -> None:
        waiters.append(asyncio.current_task())
        async with clock.joined():
            await clock.sleep_until(5)
            async with lock:
                raise AssertionError("cancelled before its turn")

    held, waited = await asyncio.wait_for(together(clock, hold(), wait()), 5)
    assert held is None
    assert isinstance(waited, asyncio.CancelledError)
