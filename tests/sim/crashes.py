"""Checkpoints at which the process may die: around every commit and every call of the broker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import attrs
from tests.sim.draws import fraction
from tests.sim.memory import InlineWriter

from cab_core.domain.orders import Intent, OrderState, OrderType, Side
from cab_core.ports import Changes, Committed, Storage

#: Chance of a kill at one hit of a checkpoint, by the beginning of its name; frequent ones kill rarely.
_CHANCES = (
    ("commit_reconciled", 0.0015),
    ("commit_cycle", 0.004),
    ("commit_protection", 0.01),
    ("commit_", 0.02),
    ("submit_", 0.03),
    ("cancel", 0.04),
    ("fills_of", 0.02),
    ("", 0.0003),
)

#: Recovery is short, so it is killed more often.
_RECOVERY_FACTOR = 6

#: A bot that is killed more often than this per day learns nothing new.
MOST_KILLS = 14


class KilledError(BaseException):
    """The process is gone; the argument names the checkpoint."""


@attrs.define(eq=False)
class Reaper:
    """Decides where the process dies.

    Attributes:
        seed: of the draws. ``scale``: factor on every chance.
        only: die at the n-th hit of this one checkpoint and nowhere else.
        hits, kills: by checkpoint.
        dead: nothing that is called returns any more. ``recovering``: the bot has not taken up its work yet.
        legs: what each intent key is for: ``entry``, ``exit`` or ``stop``.
    """

    seed: int
    scale: float = 0.0
    most: int = MOST_KILLS
    only: tuple[str, int] | None = None
    hits: Counter[str] = attrs.field(factory=Counter, init=False)
    kills: Counter[str] = attrs.field(factory=Counter, init=False)
    dead: bool = attrs.field(default=False, init=False)
    recovering: bool = attrs.field(default=True, init=False)
    legs: dict[str, str] = attrs.field(factory=dict, init=False)

    def rise(self) -> None:
        """Begin another life."""
        self.dead, self.recovering = False, True

    def at(self, name: str) -> None:
        """Pass a checkpoint, or die there."""
        if self.dead:
            raise KilledError("dead already")
        self.hits[name] += 1
        if self._strikes(name, self.hits[name]):
            self.kills[name] += 1
            self.dead = True
            raise KilledError(name)

    def _strikes(self, name: str, number: int) -> bool:
        if self.only is not None:
            return (name, number) == self.only
        if not self.scale or self.kills.total() >= self.most:
            return False
        chance = self.scale * next(p for start, p in _CHANCES if name.startswith(start))
        chance *= _RECOVERY_FACTOR if self.recovering else 1
        return fraction(self.seed, "kill", name, number) < chance


@attrs.frozen(eq=False)
class MortalStorage:
    """A storage whose process may die before a commit, inside of its transaction, or right after it."""

    inner: Storage
    writer: InlineWriter
    reaper: Reaper

    async def commit(self, changes: Changes) -> Committed:
        """Commit, unless the process dies."""
        for intent, _ in changes.planned:
            self.reaper.legs[intent.key] = leg_of(intent)
        name = f"commit_{_named(changes, self.reaper.legs)}"
        self.reaper.at(f"{name}:before")
        self.writer.inside = lambda: self.reaper.at(f"{name}:inside")
        try:
            written = await self.inner.commit(changes)
        finally:
            self.writer.inside = _nothing
        self.reaper.at(f"{name}:after")
        return written

    def __getattr__(self, name: str) -> Any:
        if self.reaper.dead:
            raise KilledError("dead already")
        return getattr(self.inner, name)


@attrs.frozen(eq=False)
class MortalBroker:
    """A broker whose process may die before a call leaves, or before its answer is read."""

    inner: Any
    reaper: Reaper

    def caps(self) -> Any:
        """Ask nobody."""
        return self.inner.caps()

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        call = getattr(self.inner, verb)

        async def mortal(*args: Any) -> Any:
            name = verb
            if verb in {"submit", "cancel", "resolve"}:
                name = f"{verb}_{leg_of(args[0])}"
            self.reaper.at(f"{name}:before")
            answer = await call(*args)
            self.reaper.at(f"{name}:after")
            return answer

        return mortal


def leg_of(intent: Intent) -> str:
    """Return what an intent is for."""
    if intent.type is OrderType.STOP_LIMIT:
        return "stop"
    return "entry" if intent.side is Side.BUY else "exit"


def _named(changes: Changes, legs: dict[str, str]) -> str:
    if changes.planned:
        return f"plan_{leg_of(changes.planned[0][0])}"
    if changes.moved:
        states: Collection[OrderState] = [move.to for move in changes.moved]
        return f"{states[-1]}_{legs.get(changes.moved[0].key, 'entry')}"
    for name in ("fills", "cycle", "revised", "reconciled", "notes"):
        if getattr(changes, name):
            return name
    return "protection"


def _nothing() -> None:
    return None
