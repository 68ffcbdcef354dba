"""What the pytest plugin gives to authors."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal

import numpy as np
import pytest

from cab_core.sdk import Bars, BookView, CabError, Entry
from cab_core.testing import CannedHttp, VirtualClock, market, story
from cab_core.testing.series import TF_MS


def test_the_market_has_twelve_legal_series(cab_market: Mapping[str, Bars]) -> None:
    assert len(cab_market) == 12
    for name, bars in cab_market.items():
        assert len(bars) == 1200, name
        assert (np.diff(bars.ts_ms) > 0).all(), name
        assert (bars.ts_ms % TF_MS == 0).all(), name
        assert (bars.low > 0).all(), name
        assert (bars.low <= np.minimum(bars.open, bars.close)).all(), name
        assert (bars.high >= np.maximum(bars.open, bars.close)).all(), name
        assert (bars.volume >= 0).all(), name
    assert cab_market["gaps"].synthetic.any()
    assert not cab_market["zero_volume"].volume.any()
    assert np.ptp(cab_market["flat"].close) == 0


def test_the_same_seed_gives_the_same_market() -> None:
    assert market(7)["crash"].close.tobytes() == market(7)["crash"].close.tobytes()
    assert market(8)["crash"].close.tobytes() != market(7)["crash"].close.tobytes()


def test_a_story_is_told_in_candles() -> None:
    bars = story([100.0, 110.0, 99.0], wick=0.01)
    assert bars.open.tolist() == [100.0, 100.0, 110.0]
    assert bars.high.tolist() == pytest.approx([101.0, 111.1, 111.1])
    assert bars.low.tolist() == pytest.approx([99.0, 99.0, 98.01])


def test_sleepers_wake_in_the_order_of_their_times(cab_clock: VirtualClock) -> None:
    woken: list[str] = []

    async def sleeper(name: str, after_ms: int, order: int = 0) -> None:
        await cab_clock.sleep_until(start + after_ms, order)
        woken.append(name)

    async def night() -> None:
        tasks = [asyncio.create_task(sleeper(*args)) for args in (("b", 20), ("c", 30), ("a", 20, -1))]
        await asyncio.sleep(0)
        cab_clock.advance(ms=20)
        await asyncio.sleep(0)
        assert woken == ["a", "b"]
        cab_clock.advance(seconds=1.0)
        await asyncio.gather(*tasks)

    start = cab_clock.now_ms()
    asyncio.run(night())
    assert woken == ["a", "b", "c"]
    assert cab_clock.monotonic() == pytest.approx(1.02)


def test_books_and_entries_change_only_where_told(
    cab_book: Callable[..., BookView], cab_entry: Callable[..., Entry]
) -> None:
    assert cab_book(equity=Decimal(9)).equity == 9
    assert cab_book().equity == cab_book().peak == 10_000
    assert cab_entry(amount=Decimal(7)).amount == 7
    assert cab_entry().quote.spread_pct == pytest.approx(Decimal("0.02"))


def test_canned_answers_come_in_turn(cab_http: type[CannedHttp]) -> None:
    async def talk() -> list[object]:
        http = cab_http({"value": 1}, CabError("gone"), {"value": 2})
        first = await http.get_json()
        with pytest.raises(CabError, match="gone"):
            await http.get_json()
        return [first, await http.get_json(), await http.get_json(), http.requests]

    assert asyncio.run(talk()) == [{"value": 1}, {"value": 2}, {"value": 2}, 4]


def test_the_pytest_plugin_costs_nothing_until_used() -> None:
    code = (
        "import sys; before = set(sys.modules); import cab_core.testing.plugin; "
        "print(*sorted(n for n in set(sys.modules) - before if n.partition('.')[0] in "
        "('numpy', 'hypothesis', 'attrs', 'pluggy') or n.startswith('cab_core')))"
    )
    run = subprocess.run(
        [sys.executable, "-c", f"import pytest; {code}"], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["cab_core", "cab_core.testing", "cab_core.testing.plugin"]
