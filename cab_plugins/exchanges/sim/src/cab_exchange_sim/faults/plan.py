"""The plan of faults: the rules in force, what they have done so far, and waits that a stop must end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from cab_exchange_sim.faults.rules import Request, Rule

#: How often a wait for exchange time looks at the exchange's clock, real seconds.
_LOOK_S = 0.01


@attrs.define(slots=True, kw_only=True)
class Injected:
    """One fault that happened.

    Attributes:
        at_ms: exchange time. ``rule``: number of the rule. ``request``: whom it met.
        status: what the exchange itself answered; None while, or if, it never saw the request.
        gave_up_ms: when the client of a ``hang`` or ``late`` had closed its side; None while it has not.
    """

    at_ms: int
    rule: int
    stage: str
    kind: str
    request: Request
    status: int | None = None
    gave_up_ms: int | None = None


@attrs.define(slots=True)
class _Armed:
    rule: Rule
    seen: int = 0
    done: int = 0

    @property
    def spent(self) -> bool:
        return self.rule.times is not None and self.done >= self.rule.times


class Faults:
    """Rules and their history. What happens depends on the seed and the sequence of requests alone.

    Of several rules that would hit one request the oldest does; all that match count it.

    Args:
        now_ms: the exchange's time in epoch milliseconds.
        seed: seed of all draws.
        rules: rules in force from the start.
    """

    def __init__(self, now_ms: Callable[[], int], *, seed: int = 0, rules: Sequence[Rule] = ()) -> None:
        self.now_ms = now_ms
        self.seed = seed
        self.history: list[Injected] = []
        self._armed: dict[int, _Armed] = {}
        self._numbers = 0
        self._stopped = asyncio.Event()
        for rule in rules:
            self.add(rule)

    def add(self, rule: Rule) -> int:
        """Put a rule in force and return its number."""
        self._numbers += 1
        self._armed[self._numbers] = _Armed(rule)
        return self._numbers

    def remove(self, number: int) -> bool:
        """Take one rule out of force; False if there is none of that number."""
        return self._armed.pop(number, None) is not None

    def clear(self) -> None:
        """Take all rules out of force; the history stays."""
        self._armed.clear()

    def rules(self) -> Mapping[int, Rule]:
        """Return the rules in force by number; spent ones are no longer."""
        return {number: armed.rule for number, armed in self._armed.items() if not armed.spent}

    def counts(self) -> Mapping[str, int]:
        """Return how often each ``stage:kind`` happened."""
        return Counter(f"{fault.stage}:{fault.kind}" for fault in self.history)

    def decide(self, request: Request) -> tuple[Rule, Injected] | None:
        """Choose and record the fault of one request, None for most."""
        now_ms = self.now_ms()
        chosen: tuple[Rule, Injected] | None = None
        for number, armed in self._armed.items():
            rule = armed.rule
            if armed.spent or not rule.matches(request, now_ms):
                continue
            armed.seen += 1
            if chosen is None and rule.hits(armed.seen, (self.seed, number)):
                armed.done += 1
                fault = Injected(at_ms=now_ms, rule=number, stage=rule.stage, kind=rule.kind, request=request)
                chosen = rule, fault
        if chosen is not None:
            self.history.append(chosen[1])
        return chosen

    def report(self) -> dict[str, Any]:
        """Return rules, counts and history as JSON."""
        return {
            "rules": {str(number): rule.as_json() for number, rule in self.rules().items()},
            "counts": dict(self.counts()),
            "history": [attrs.asdict(fault) for fault in self.history],
        }

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """End all waits, so that a server can stop."""
        self._stopped.set()

    async def wait(self, seconds: float | None) -> None:
        """Wait real seconds, or for `stop` alone."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        except TimeoutError:
            return

    async def wait_exchange(self, seconds: float) -> None:
        """Wait until the exchange's clock is ``seconds`` further, however it moves."""
        due_ms = self.now_ms() + seconds * 1000
        while self.now_ms() < due_ms and not self.stopped:
            await self.wait(_LOOK_S)
