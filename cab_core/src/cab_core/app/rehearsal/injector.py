"""Lets the episodes of a rehearsal begin and end on the exchange's clock, and counts what really happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from cab_core.app.rehearsal import hands
from cab_core.app.rehearsal.menu import PAIR_RELIEF, RELIEF, Act, Episode
from cab_core.app.rehearsal.plane import Plane, PlaneRefusedError
from cab_core.app.rehearsal.processes import Helper


class Injector:
    """The hand that makes faults.

    Args:
        plane: of the exchange. ``relay``: the process in front of it.
        episodes: what shall happen, ordered by start.
        pairs: of the exchange. ``seed``: of what a hand chooses.
        tell: told each episode that begins.
    """

    def __init__(
        self,
        plane: Plane,
        relay: Helper,
        episodes: Sequence[Episode],
        pairs: Sequence[str],
        seed: int,
        tell: Callable[[str], None],
    ) -> None:
        self._plane, self._relay, self._pairs, self._tell = plane, relay, pairs, tell
        self._coming = list(episodes)
        self._running: list[tuple[Episode, list[int]]] = []
        self._kinds: dict[int, str] = {}
        self._draw = Random(f"hands {seed}")  # noqa: S311 - choices that the seed gives again
        self._done: Counter[str] = Counter()

    @property
    def trouble(self) -> bool:
        """Whether anything is wrong now."""
        return bool(self._running)

    async def look(self, now_ms: int) -> None:
        """Begin and end what is due."""
        for episode, numbers in [each for each in self._running if each[0].until_ms <= now_ms]:
            self._running.remove((episode, numbers))
            await self._end(episode, numbers)
        while self._coming and self._coming[0].at_ms <= now_ms:
            await self._begin(self._coming.pop(0))

    async def hold(self, rule: dict[str, Any]) -> int:
        """Put a rule in force that is no fault of the schedule; return its number."""
        return int((await self._plane.ask("POST", "/faults", rule))["rule"])

    async def met(self, number: int) -> bool:
        """Tell whether a rule that strikes once has struck."""
        return str(number) not in (await self._plane.ask("GET", "/faults"))["rules"]

    async def forget(self, number: int) -> None:
        """Take a rule out of force."""
        await self._plane.ask("DELETE", f"/faults/{number}")

    async def lift(self) -> None:
        """Take everything back, whatever was planned."""
        self._coming.clear()
        self._running.clear()
        await self._plane.ask("DELETE", "/faults")
        reliefs = [*RELIEF, *(Act("pair", PAIR_RELIEF, pair) for pair in self._pairs)]
        for act in reliefs:
            await self._do(act)

    async def counts(self) -> dict[str, int]:
        """Return how often each kind of fault happened so far."""
        history = (await self._plane.ask("GET", "/faults"))["history"]
        met = Counter(self._kinds[fault["rule"]] for fault in history if fault["rule"] in self._kinds)
        actions = (await self._order({"do": "counts"}))["counts"]
        relayed = Counter({f"connection_{action}": n for action, n in actions.items() if action != "pass"})
        return dict(sorted((self._done + met + relayed).items()))

    async def _begin(self, episode: Episode) -> None:
        numbers: list[int] = []
        for act in episode.begin:
            number = await self._do(act)
            if act.target == "rule":
                numbers.append(number)
                self._kinds[number] = episode.kind
            elif number and act.what != {"do": "open"} and not _next(act):
                self._done[episode.kind] += 1
        self._running.append((episode, numbers))
        self._tell(episode.kind.replace("_", " "))

    async def _end(self, episode: Episode, numbers: Sequence[int]) -> None:
        for act in episode.end:
            await self._do(act)
        for number in numbers:
            try:
                await self.forget(number)
            except PlaneRefusedError:
                continue  # it has struck and is gone

    async def _do(self, act: Act) -> int:
        """Do one thing; return the number of a rule, otherwise whether it was done."""
        match act.target:
            case "rule":
                return await self.hold(act.what)
            case "conditions":
                await self._plane.ask("POST", "/conditions", act.what)
            case "pair":
                await self._plane.ask("POST", f"/pairs/{act.pair}", act.what)
            case "relay":
                await self._order(act.what)
            case "hand":
                return int(await hands.act(self._plane, act.what, act.pair, self._draw))
        return 1

    async def _order(self, order: dict[str, Any]) -> dict[str, Any]:
        self._relay.tell(order)
        return await self._relay.hear()


def _next(act: Act) -> bool:
    """Tell whether it is counted by the relay when it meets a request."""
    return act.target == "relay" and act.what["do"] == "next"
