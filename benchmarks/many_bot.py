"""A paper bot on many symbols in lock-step with an exchange in another process; prints what it took.

Time is virtual, and each request takes a tenth of a second of it, so the figures of looks and decisions do
not depend on the machine. The argument is one JSON object: ``folder``, ``control_url``, ``minutes``,
``settings``.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import httpx

from benchmarks.live_bot import TOKEN
from cab_broker_ccxt.gate_client import GateClient
from cab_core.app.run_quoted import run_quoted
from cab_core.app.running import Running
from cab_core.clock import VirtualClock
from cab_core.cycle.exit_watch import ExitWatch
from cab_core.cycle.feed import Move
from cab_core.domain.timeframes import MINUTE_MS, TF_MS
from cab_core.ports import Cycle
from cab_core.settings import load_settings

LATENCY_MS = 100


@attrs.define
class Taken:
    """Seconds between two looks at a held symbol, and from a close to its decision; requests; CPU; memory."""

    gaps: list[float] = attrs.field(factory=list)
    lags: list[float] = attrs.field(factory=list)
    requests: int = 0
    positions: int = 0
    cpu_s: float = 0.0
    rss_mib: float = 0.0


@attrs.define
class Watch:
    """Takes note of looks and decisions once the first close after the start is over: that one warms up."""

    clock: VirtualClock
    taken: Taken
    from_ms: int
    looked_ms: dict[str, int] = attrs.field(factory=dict)
    began_s: float = 0.0

    def begin(self) -> None:
        """Wrap what is measured."""
        look, ask, watch = ExitWatch.look, GateClient.ask, self

        async def watched_look(self: ExitWatch, symbol: str, move: Move) -> None:
            await look(self, symbol, move)
            watch.looked(self, symbol)

        async def slow_ask(self: GateClient, endpoint: str, params: Mapping[str, Any]) -> Any:
            await watch.clock.sleep_until(watch.clock.now_ms() + LATENCY_MS)
            watch.taken.requests += watch.clock.now_ms() >= watch.from_ms
            return await ask(self, endpoint, params)

        ExitWatch.look = watched_look  # type: ignore[method-assign]  # a bench may look inside
        GateClient.ask = slow_ask  # type: ignore[method-assign]  # likewise

    def looked(self, exits: ExitWatch, symbol: str) -> None:
        """Note a look at a symbol that is held."""
        now_ms = self.clock.now_ms()
        if not self.began_s and now_ms >= self.from_ms:
            self.began_s = time.process_time()
        if symbol not in exits.execution.trader.book.positions:
            self.looked_ms.pop(symbol, None)
            return
        if symbol in self.looked_ms and self.looked_ms[symbol] >= self.from_ms:
            self.taken.gaps.append((now_ms - self.looked_ms[symbol]) / 1000)
        self.looked_ms[symbol] = now_ms

    def decided(self, cycle: Cycle) -> None:
        """Note a decision."""
        if cycle.candle_ts_ms + TF_MS >= self.from_ms:
            self.taken.lags.append((self.clock.now_ms() - cycle.candle_ts_ms - TF_MS) / 1000)


async def main(told: dict[str, Any]) -> Taken:
    """Trade for so many minutes of the market."""
    settings = load_settings(told["settings"], Path(told["folder"])).settings
    async with httpx.AsyncClient(headers=TOKEN, trust_env=False) as control:
        clock_url = f"{told['control_url']}/clock"
        start_ms = (await control.get(clock_url)).json()["now_ms"]
        end_ms = start_ms + told["minutes"] * MINUTE_MS
        runs: list[Running] = []
        stops: list[asyncio.Task[None]] = []

        async def lead(to_ms: int) -> None:
            if to_ms > start_ms:
                (await control.post(clock_url, json={"to_ms": to_ms})).raise_for_status()
            if to_ms >= end_ms and runs and not stops:
                stops.append(asyncio.create_task(runs[0].session.orchestrator.end()))

        clock = VirtualClock(start_ms, lead=lead)
        watch = Watch(clock, Taken(), (start_ms // TF_MS + 2) * TF_MS)
        watch.begin()

        async def view(running: Running) -> None:
            running.session.orchestrator.on_cycle = watch.decided
            runs.append(running)
            await asyncio.Event().wait()

        running = await run_quoted(settings, view, clock=clock)
    taken = watch.taken
    taken.positions = len(running.session.trader.book.positions)
    taken.cpu_s = time.process_time() - watch.began_s
    taken.rss_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return taken


if __name__ == "__main__":
    print(json.dumps(attrs.asdict(asyncio.run(main(json.loads(sys.argv[1]))))))
