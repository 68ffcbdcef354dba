from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal

import pytest

from cab_core.errors import ConfigError
from cab_core.safety.dead_man import FlattenReport
from cab_core.safety.flattening import flatten_until_done

ONE = Decimal(1)


class Exchange:
    """Answers the attempts one after the other."""

    def __init__(self, *answers: FlattenReport | Exception | None) -> None:
        self._answers: Iterator[FlattenReport | Exception | None] = iter(answers)
        self.failures: list[tuple[int, str, float]] = []
        self.slept: list[float] = []

    async def flatten(self) -> FlattenReport:
        answer = next(self._answers)
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        assert answer is not None
        return answer

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def until_done(self, timeout_s: float = 5.0) -> FlattenReport:
        return await flatten_until_done(
            self.flatten, lambda *told: self.failures.append(told), timeout_s=timeout_s, sleep=self.sleep
        )


@pytest.mark.catalogue(166)
async def test_it_goes_on_until_the_exchange_is_back_and_tells_every_time() -> None:
    away = [ConnectionRefusedError("no route")] * 9
    it = Exchange(*away, FlattenReport(("BTC/USDT",), {"BTC/USDT": ONE}))
    report = await it.until_done()
    assert report.sold == {"BTC/USDT": ONE}
    assert [attempt for attempt, _, _ in it.failures] == list(range(1, 10))
    assert all("no route" in why for _, why, _ in it.failures)
    assert it.slept == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_what_the_attempts_sold_is_added_up() -> None:
    it = Exchange(
        FlattenReport(("A/B", "C/D"), {"A/B": ONE}, {"C/D": 3 * ONE}, ("C/D: refused",)),
        ConfigError([]),
        FlattenReport(("C/D",), {"C/D": 2 * ONE}, {"C/D": ONE}, ("C/D: refused",)),
        FlattenReport(("C/D",), {"C/D": ONE}, {"C/D": Decimal("0.1")}),
    )
    report = await it.until_done()
    assert report == FlattenReport(("A/B", "C/D"), {"A/B": ONE, "C/D": 3 * ONE}, {"C/D": Decimal("0.1")})


async def test_an_attempt_that_hangs_is_cut_off() -> None:
    it = Exchange(None, FlattenReport())
    assert (await it.until_done(timeout_s=0.05)).done
    assert "longer than 0.05 s" in it.failures[0][1]


async def test_with_nothing_to_sell_it_is_done_at_once() -> None:
    it = Exchange(FlattenReport())
    assert await it.until_done() == FlattenReport()
    assert it.slept == []
