"""One live bot in lock-step with an exchange in another process: run as a script, it prints what it took.

Arguments are one JSON object: ``folder``, ``base_url``, ``control_url``, ``days``, ``symbols``, ``settings``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from time import perf_counter
from typing import Any

import attrs
import httpx

from cab_broker_ccxt.api import Api
from cab_core.app.run_quoted import run_quoted
from cab_core.app.running import Running
from cab_core.clock import VirtualClock
from cab_core.cycle.moment import MomentReader
from cab_core.domain.timeframes import DAY_MS
from cab_core.ports import Changes, Committed
from cab_core.settings import load_settings
from cab_core.storage.records import Records

TOKEN = {"Authorization": "Bearer bench"}


@attrs.define
class Taken:
    """What a run took: seconds from candle to order and per commit, MiB at each simulated day, ready when."""

    orders: list[float] = attrs.field(factory=list)
    commits: list[float] = attrs.field(factory=list)
    memory: list[float] = attrs.field(factory=list)
    ready_at: float = 0.0
    cycles: int = 0
    began: float = 0.0


def watch(taken: Taken) -> None:
    """Time the reading of candles, the writes and the sends of this process."""
    read, send, commit = MomentReader.read, Api.send, Records.commit

    async def timed_read(self: MomentReader, now_ms: int) -> Any:
        taken.began = perf_counter()
        return await read(self, now_ms)

    async def timed_send(self: Api, endpoint: str, params: Any) -> Any:
        if endpoint == "privateSpotPostOrders" and taken.began:
            taken.orders.append(perf_counter() - taken.began)
            taken.began = 0.0
        return await send(self, endpoint, params)

    async def timed_commit(self: Records, changes: Changes) -> Committed:
        began = perf_counter()
        try:
            return await commit(self, changes)
        finally:
            taken.commits.append(perf_counter() - began)

    MomentReader.read = timed_read  # type: ignore[method-assign]  # a bench may look inside
    Api.send = timed_send  # type: ignore[method-assign]  # likewise
    Records.commit = timed_commit  # type: ignore[method-assign]  # likewise


async def main(told: dict[str, Any]) -> Taken:
    """Trade for the days that are asked for; 0 ends when the bot is ready."""
    taken = Taken()
    watch(taken)
    settings = load_settings(told["settings"], Path(told["folder"])).settings
    async with httpx.AsyncClient(headers=TOKEN, trust_env=False) as control:
        clock_url = f"{told['control_url']}/clock"
        start_ms = (await control.get(clock_url)).json()["now_ms"]
        end_ms = start_ms + told["days"] * DAY_MS
        stops: list[asyncio.Task[None]] = []
        runs: list[Running] = []

        async def lead(to_ms: int) -> None:
            (await control.post(clock_url, json={"to_ms": to_ms})).raise_for_status()
            while start_ms + len(taken.memory) * DAY_MS <= to_ms:
                taken.memory.append(rss_mib())
            if runs and to_ms >= end_ms and not stops:
                stops.append(asyncio.create_task(runs[0].session.orchestrator.end()))

        async def view(running: Running) -> None:
            taken.ready_at = time.time()
            runs.append(running)
            await asyncio.Event().wait()

        running = await run_quoted(settings, view, clock=VirtualClock(start_ms, lead=lead))
    taken.cycles = running.tally.cycles
    return taken


def rss_mib() -> float:
    """Return the resident memory of this process."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


if __name__ == "__main__":
    print(json.dumps(attrs.asdict(asyncio.run(main(json.loads(sys.argv[1]))))))
