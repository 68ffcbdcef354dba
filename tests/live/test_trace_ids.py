"""Every event, alert and row of the journal names what caused it, and the log finds it by that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from live_bench import FLAT, TRACE_ID, LiveBench

from cab_core.cli import invoke
from cab_core.domain.orders import Side
from cab_core.storage import journal_rows, open_sync

Bench = Callable[..., LiveBench]


async def found(capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, Any]]:
    """Return what ``cab logs --json`` finds."""
    capsys.readouterr()
    assert await asyncio.to_thread(invoke, ["logs", "--json", *options]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_all_that_is_told_and_kept_is_found_by_its_trace(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    live = bench([FLAT] * 6, LOG_LEVEL="INFO")
    live.fault("too_small", path="/price_orders$", times=3)
    live.at(30, lambda: live.by_hand(Side.SELL, "0.2"))  # something is sold that the bot holds
    await live.run(45, buys=[-1])

    told = dict(live.traced)
    causes = {"reconciliation.completed", "stop_not_placed"}
    assert causes <= set(told), sorted(told)
    with open_sync(live.database) as conn:
        untraced = {row.kind for row in journal_rows(conn) if not TRACE_ID.fullmatch(row.trace_id)}
    assert untraced == set()

    for name, value in live.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(live.folder)
    for what in causes:
        assert await found(capsys, "--trace", told[what]), what
