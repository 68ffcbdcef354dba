"""Requests between bot and exchange, and what becomes of them on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import attrs
from tests.sim.draws import fraction
from tests.sim.plan import READ_FAULTS, SEND_FAULTS
from tests.sim.world import World

from cab_core.clock import Clock
from cab_core.errors import CabError
from cab_exchange_sim.engine import Refused

T = TypeVar("T")

#: How long the bot waits for an answer.
TIMEOUT_MS = 10_000

#: Sends of which the exchange never hears, and those that it takes although no good answer comes back.
NOT_SENT = frozenset({"refused", "dns"})
NEVER_ARRIVES = frozenset({"lost_request", "5xx_before", "no_id_before", "maintenance", "outage"})
GARBLED = frozenset({"html_200", "no_id_before", "truncated"})
_SLOW = frozenset({"lost_request", "late_delivery", "timeout_after_accept", "outage"})

#: A request may arrive up to this long after the bot gave up on it.
LATEST_MS = 200_000


class VenueSaidError(CabError):
    """The exchange answered with an error; ``label`` is its name."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(str(refused))
        self.label = refused.label


class LostError(Exception):
    """No answer that proves anything; ``fault`` says why."""

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault


class NotSentError(LostError):
    """The request never left."""


@attrs.define(eq=False)
class Wire:
    """The way to the exchange of a world, for one bot on its clock."""

    world: World
    clock: Clock

    async def read(self, kind: str, ref: str, ask: Callable[[], T], *, listing: bool = False) -> T:
        """Ask for something that changes nothing.

        Raises:
            CabError: no answer. `VenueSaidError`: the exchange does not know it.
        """
        self.world.advance(self.clock.now_ms())
        number = self.count(kind, ref)
        fault = self._read_fault(kind, ref, number, listing=listing)
        if fault is not None:
            self.world.struck[fault] += 1
            if fault == "read_timeout":
                await self._wait()
            raise CabError(f"{kind}: {fault}")
        try:
            return ask()
        except Refused as refused:
            raise VenueSaidError(refused) from refused

    async def send(self, name: str, place: Callable[[], T]) -> T:
        """Send something that changes the account; chance depends on its name alone.

        Raises:
            NotSentError: it never left. LostError: nobody knows. VenueSaidError: the exchange refused it.
        """
        self.world.advance(self.clock.now_ms())
        fault = self._send_fault(name)
        if fault is None:
            return _placed(place)
        self.world.struck[fault] += 1
        if fault in NOT_SENT:
            raise NotSentError(fault)
        if fault == "429":
            raise VenueSaidError(Refused("TOO_MANY_REQUESTS", "slow down", 429))
        if fault == "late_delivery":
            delay_ms = TIMEOUT_MS + int(fraction("delay", name) * (LATEST_MS - TIMEOUT_MS))
            self.world.later(self.clock.now_ms() + delay_ms, lambda: _ignored(place))
        elif fault not in NEVER_ARRIVES:
            _placed(place)  # a refusal is an answer too, and is lost as well
        if fault in _SLOW:
            await self._wait()
        raise LostError(fault)

    def count(self, kind: str, ref: str) -> int:
        """Return how often this was asked by now, former lives of the bot included."""
        number = self.world.counts[kind, ref] = self.world.counts.get((kind, ref), 0) + 1
        return number

    async def _wait(self) -> None:
        await self.clock.sleep_until(self.clock.now_ms() + TIMEOUT_MS)
        self.world.advance(self.clock.now_ms())

    def _read_fault(self, kind: str, ref: str, number: int, *, listing: bool) -> str | None:
        if self.world.calm:
            return None
        window = self.world.fails("outage", "maintenance", *(["listings_down"] if listing else []))
        if window is not None:
            return window
        point = fraction(self.world.plan.seed, "read", kind, ref, number)
        return _struck(point, {fault: self.world.plan.reads.get(fault, 0.0) for fault in READ_FAULTS})

    def _send_fault(self, name: str) -> str | None:
        if self.world.calm:
            return None
        window = self.world.fails("outage", "maintenance")
        if window is not None:
            return window
        point = fraction(self.world.plan.seed, "send", name)
        return _struck(point, {fault: self.world.plan.sends.get(fault, 0.0) for fault in SEND_FAULTS})


def _struck(point: float, chances: dict[str, float]) -> str | None:
    for fault, chance in chances.items():
        if point < chance:
            return fault
        point -= chance
    return None


def _placed(place: Callable[[], T]) -> T:
    try:
        return place()
    except Refused as refused:
        raise VenueSaidError(refused) from refused


def _ignored(place: Callable[[], object]) -> None:
    try:
        place()
    except Refused:
        return
