"""The run of a rehearsal on the exchange's clock: faults, kills, restarts, a quiet end."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import deque
from collections.abc import Sequence

import attrs

from cab_core.app.rehearsal.bot import START_REFUSED
from cab_core.app.rehearsal.injector import Injector
from cab_core.app.rehearsal.kills import HELD, Kill
from cab_core.app.rehearsal.menu import ORDERS
from cab_core.app.rehearsal.plan import Progress, Watch
from cab_core.app.rehearsal.plane import Plane
from cab_core.app.rehearsal.processes import END_S, Bots
from cab_core.app.rehearsal.report import Score
from cab_core.app.times import second
from cab_core.domain.timeframes import HOUR_MS, MINUTE_MS

#: Exchange time at the end in which nothing goes wrong any more, so that everything must settle.
QUIET_MS = 3 * HOUR_MS

#: Exchange time at both ends of the run in which nobody is killed and nothing fails.
MARGIN_MS = 20 * MINUTE_MS

#: Real seconds between looks at the exchange's clock, and between looks at its ledger.
LOOK_S, SCORE_S = 0.02, 1.0

#: How long a kill waits for an order to be held; then it strikes wherever the bot is.
HOLD_MS = 6 * HOUR_MS

#: Exchange time until a bot is started again that refused to start while something was wrong.
AGAIN_MS = MINUTE_MS

#: Ends of the bot that nobody caused after which nothing more can be learnt.
MAX_DEATHS = 3

#: Real seconds without any progress of the exchange's clock after which the bot is taken to hang.
STALL_S = 90.0


@attrs.define(eq=False, kw_only=True)
class Stage:
    """Everything that plays, and what became of it.

    Attributes:
        kills: still to come, in order.
        end_ms: exchange time from which it is quiet.
        score: what the ledger shows so far. ``violations``: what went wrong with the bot as a process.
    """

    plane: Plane
    bots: Bots
    injector: Injector
    kills: Sequence[Kill]
    end_ms: int
    progress: Progress
    watch: Watch
    score: Score
    violations: list[str] = attrs.field(factory=list)
    _held: tuple[Kill, int, int] | None = attrs.field(default=None, init=False)
    _coming: deque[Kill] = attrs.field(factory=deque, init=False)
    _given_up: bool = attrs.field(default=False, init=False)
    _deaths: int = attrs.field(default=0, init=False)
    _scored_s: float = attrs.field(default=0.0, init=False)
    _moved: tuple[int, float] = attrs.field(default=(0, 0.0), init=False)

    async def play(self) -> None:
        """Run from the first start of the bot to its clean stop."""
        self.say("trading", "the bot starts")
        await self.bots.start()
        self._coming = deque(self.kills)
        while (now_ms := await self._look()) < self.end_ms or self._coming or self._held is not None:
            await self.injector.look(now_ms)
            if self._held is not None:
                await self._wait_for_order(now_ms)
            elif self._coming and self._coming[0].at_ms <= now_ms:
                await self._aim(self._coming.popleft(), now_ms)
        await self._quiet(now_ms)

    def say(self, phase: str, event: str) -> None:
        """Tell what goes on."""
        self.progress.phase, self.progress.event = phase, event
        self.watch(self.progress)

    async def _quiet(self, from_ms: int) -> None:
        self.progress.faults = sum((await self.injector.counts()).values())
        await self.injector.lift()
        self.say("quiet", "all faults are lifted; everything must settle")
        while not self._given_up and await self._look() < from_ms + QUIET_MS:
            pass
        self.bots.signal(signal.SIGTERM)
        code = await self.bots.wait(2 * END_S)
        if code is None:
            self.bots.signal(signal.SIGKILL)
            self.violations.append(f"the bot did not stop within {2 * END_S:.0f} s of SIGTERM")
        elif code:
            self.violations.append(f"the bot ended with exit code {code} when it was stopped")
        await self._count()

    async def _look(self) -> int:
        """Return the exchange's time after a moment; start a bot again that has ended."""
        await asyncio.sleep(LOOK_S)
        now_ms = await self.plane.now_ms()
        self.progress.now_ms = now_ms
        if time.monotonic() - self._scored_s >= SCORE_S:
            await self._count()
        code = self.bots.ended()
        if code is not None:
            await self._ended(code, now_ms)
        elif now_ms != self._moved[0]:
            self._moved = now_ms, time.monotonic()
        elif time.monotonic() - self._moved[1] > STALL_S:
            self.violations.append(f"the bot hung at {second(now_ms)} for {STALL_S:.0f} s and was killed")
            self.bots.signal(signal.SIGUSR1)
            await asyncio.sleep(END_S / 10)  # it writes to its log where its tasks are
            self.bots.signal(signal.SIGKILL)
            await self.bots.wait(END_S)
            await self._start_again(0, now_ms)
        return now_ms

    async def _count(self) -> None:
        self._scored_s = time.monotonic()
        fresh = await self.plane.ask("GET", f"/ledger?since={len(self.score.entries)}")
        self.score.take(fresh["entries"])
        self.progress.orders, self.progress.fills = self.score.counts["orders"], self.score.counts["fills"]
        self.progress.faults = sum((await self.injector.counts()).values())
        self.watch(self.progress)

    # Ends and starts.

    async def _ended(self, code: int, now_ms: int) -> None:
        """Start a bot again that ended without being killed; it may only refuse to start in trouble."""
        if code == START_REFUSED and (self.injector.trouble or self._held is not None):
            return await self._start_again(AGAIN_MS, now_ms)
        self._deaths += 1
        self.violations.append(f"the bot ended by itself with exit code {code} at {second(now_ms)}")
        if self._deaths >= MAX_DEATHS:
            self.violations.append("it was given up")
            self._given_up, self.end_ms, self._held = True, now_ms, None
            self._coming.clear()
            return None
        return await self._start_again(0, now_ms)

    async def _start_again(self, down_ms: int, now_ms: int) -> None:
        if down_ms:
            await self.plane.advance(now_ms + down_ms)
        await self.bots.start()
        self.progress.restarts += 1
        self._moved = now_ms, time.monotonic()

    # Kills.

    async def _aim(self, kill: Kill, now_ms: int) -> None:
        held = HELD.get(kill.moment)
        if held is None:
            return await self._strike(kill)
        rule = {**held, "method": "POST", "path": ORDERS, "times": 1}
        share_ms = 2 * (self.end_ms - now_ms) // (len(self._coming) + 1)  # so that every kill finds time
        self._held = kill, await self.injector.hold(rule), now_ms + max(0, min(HOLD_MS, share_ms))
        return None

    async def _wait_for_order(self, now_ms: int) -> None:
        """Strike as soon as an order is held on its way; or at any moment, if none comes."""
        if self._held is None:
            return
        kill, number, until_ms = self._held
        if not await self.injector.met(number):
            if now_ms < until_ms:
                return
            await self.injector.forget(number)
        self._held = None
        await self._strike(kill)

    async def _strike(self, kill: Kill) -> None:
        await asyncio.sleep(kill.delay_s)
        self.bots.signal(signal.SIGKILL)
        code = await self.bots.wait(END_S)
        now_ms = await self.plane.now_ms()
        if code != -signal.SIGKILL:
            return await self._ended(1 if code is None else code, now_ms)
        self.progress.kills += 1
        self.progress.event = f"killed ({kill.moment.replace('_', ' ')}), down for {kill.down_ms // 1000} s"
        self.watch(self.progress)
        return await self._start_again(kill.down_ms, now_ms)
