"""The loop lets time pass without waiting, and tells a deadlock."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from tests.sim import loop


def test_a_month_passes_at_once() -> None:
    async def sleep() -> float:
        await asyncio.sleep(30 * 86_400)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert loop.run(sleep()) == 30 * 86_400
    assert time.monotonic() - began < 86_400


def test_timers_go_off_in_order() -> None:
    async def main() -> list[int]:
        order: list[int] = []

        async def note(delay: int) -> None:
            await asyncio.sleep(delay)
            order.append(delay)

        await asyncio.gather(*(note(delay) for delay in (30, 10, 20)))
        return order

    assert loop.run(main()) == [10, 20, 30]


def test_a_deadlock_is_an_error() -> None:
    async def wait_for_ever() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(loop.DeadlockError):
        loop.run(wait_for_ever())


def test_a_thread_is_refused() -> None:
    async def main() -> list[str]:
        told: list[str] = []
        running = asyncio.get_running_loop()

        def call() -> None:
            try:
                running.call_soon_threadsafe(print)
            except RuntimeError as error:
                told.append(str(error))

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        return told

    assert loop.run(main()) == ["a thread has no place in a simulation"]
