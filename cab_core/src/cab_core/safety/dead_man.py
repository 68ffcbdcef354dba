"""The dead man's switch as a pure state machine on a monotonic clock (reliability ladder of the watcher).

It answers one question: does the kernel still complete supervision cycles? It knows no prices, signals or
latencies, so none of them can make it act. The ladder: a kernel that is silent for T1, twice confirmed, is
killed and left to be restarted; if nobody has taken its place T2 after its last beat and something may be
open, the positions are closed, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

import attrs

from cab_core.safety.heartbeat import Beat

#: Confirmations that a silent kernel is still silent before anything is done.
RECHECKS = 2


@attrs.frozen(slots=True, kw_only=True)
class Timing:
    """How long what may take, in seconds.

    Attributes:
        restart_after: T1, silence after which the kernel is to be restarted.
        flatten_after: T2, silence after which positions are closed if no other kernel has taken over.
        recheck: between the confirmations.
    """

    restart_after: float = 30.0
    flatten_after: float = 120.0
    recheck: float = 3.0


class State(StrEnum):
    """Where the watcher is.

    Attributes:
        WATCHING: beats come.
        SUSPICIOUS: none has come for too long; being confirmed.
        DEAF: the pipe is closed; either the process is about to be gone, or it closed it on purpose.
        FENCING: the kernel is being killed.
        RESTARTING: the kernel is gone; somebody may take its place.
        FLATTENING: positions are being closed.
        LATCHED: they were; nothing starts until a person has looked.
        ENDED: there is nothing left to watch.
    """

    WATCHING = "watching"
    SUSPICIOUS = "suspicious"
    DEAF = "deaf"
    FENCING = "fencing"
    RESTARTING = "restarting"
    FLATTENING = "flattening"
    LATCHED = "latched"
    ENDED = "ended"


class Action(StrEnum):
    """What the shell shall do.

    Attributes:
        KILL: send SIGKILL to the kernel; asked again until it has gone.
        RESTART: start the kernel again.
        FLATTEN: take the instance lock and close every position.
    """

    KILL = "kill"
    RESTART = "restart"
    FLATTEN = "flatten"


_ALIVE = frozenset({State.WATCHING, State.SUSPICIOUS, State.DEAF})


@attrs.frozen(slots=True)
class FlattenReport:
    """What closing all positions came to.

    Attributes:
        symbols: that had a position or a resting order.
        sold: base quantity sold, by symbol.
        left: base quantity that remains, by symbol; dust too small to sell is no error.
        errors: what could not be done; while there are any, closing is tried again.
    """

    symbols: tuple[str, ...] = ()
    sold: Mapping[str, Decimal] = attrs.field(factory=dict)
    left: Mapping[str, Decimal] = attrs.field(factory=dict)
    errors: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        """Whether nothing remains to be tried."""
        return not self.errors


@attrs.define(eq=False, kw_only=True)
class DeadMan:
    """Judges one kernel process. All times are seconds of one monotonic clock and never step back.

    Args:
        timing: how long what may take.
        now: the present time.
        restarts: whether it may restart the kernel itself, once; else a service manager does.

    Attributes:
        state: where it is.
        last: the latest beat, None before the first.
        reason: why it left `State.WATCHING`, for people.
    """

    timing: Timing
    now: float
    restarts: bool = False
    state: State = attrs.field(default=State.WATCHING, init=False)
    last: Beat | None = attrs.field(default=None, init=False)
    reason: str = attrs.field(default="", init=False)
    _seen: float = attrs.field(init=False)
    _ticked: float = attrs.field(init=False)
    _due: float = attrs.field(default=0.0, init=False)
    _confirmed: int = attrs.field(default=0, init=False)
    _held_since: float | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._seen = self._ticked = self.now

    @property
    def over(self) -> bool:
        """Whether there is nothing left to do."""
        return self.state in (State.LATCHED, State.ENDED)

    def beat(self, beat: Beat, now: float) -> None:
        """Take note of a beat. One that comes after the kernel was condemned changes nothing."""
        if self.state in (State.WATCHING, State.SUSPICIOUS):
            self._seen = max(self._seen, min(beat.at, now))
            self.last = beat
            if now - self._seen < self._limit():
                self.state, self.reason = State.WATCHING, ""

    def goodbye(self) -> None:
        """The kernel ends on purpose, at an operator's wish."""
        if self.state in _ALIVE or self.state is State.FENCING:
            self._end("the kernel was stopped")

    def eof(self, now: float) -> None:
        """The pipe was closed. That alone is no death: the process may live and have another watcher."""
        if self.state in (State.WATCHING, State.SUSPICIOUS):
            self.state, self._due = State.DEAF, now + self.timing.recheck

    def exited(self) -> tuple[Action, ...]:
        """The process is gone, by itself or by `Action.KILL`."""
        if self.state in _ALIVE:
            self.reason = "the kernel ended without a goodbye"
            if self.last is None:
                return self._end(f"{self.reason}, before its first supervision cycle")
            return self._await_successor()
        if self.state is State.FENCING:
            return self._flatten() if self.last is None else self._await_successor()
        return ()

    def tick(self, now: float, *, successor: bool = False) -> tuple[Action, ...]:
        """Let time pass.

        Args:
            now: the present time.
            successor: whether another living process holds the instance lock.
        """
        paused = now - self._ticked > self.timing.restart_after / 2
        self._ticked = now
        if paused:
            self._forgive(now)
        if self.state is State.WATCHING:
            self._suspect(now)
        elif self.state is State.SUSPICIOUS:
            return self._confirm(now)
        elif self.state is State.DEAF and now >= self._due:
            self._end("a running kernel closed the pipe: it has another watcher or none")
        elif self.state is State.FENCING and now >= self._due:
            return self._kill(now)
        elif self.state is State.RESTARTING:
            return self._look_for_successor(now, successor=successor)
        return ()

    def refused(self, now: float) -> None:
        """The lock could not be taken: somebody else holds it after all. Nothing was sold."""
        if self.state is State.FLATTENING:
            self.state, self._held_since, self._due = State.RESTARTING, None, now + self.timing.recheck

    def flattened(self) -> None:
        """Every position is closed."""
        if self.state is State.FLATTENING:
            self.state = State.LATCHED

    def _limit(self) -> float:
        """Return the silence that is suspicious; a start may take longer than a cycle."""
        return self.timing.flatten_after if self.last is None else self.timing.restart_after

    def _forgive(self, now: float) -> None:
        """Start counting anew: this process itself was stopped, perhaps with the whole machine."""
        if self.state in (State.WATCHING, State.SUSPICIOUS):
            self.state, self._seen = State.WATCHING, now
        elif self.state in (State.DEAF, State.RESTARTING):
            self._due = max(self._due, now + self.timing.recheck)

    def _suspect(self, now: float) -> None:
        if now - self._seen >= self._limit():
            self.state, self._confirmed, self._due = State.SUSPICIOUS, 0, now + self.timing.recheck
            self.reason = f"no supervision cycle was completed for {self._limit():g} s"

    def _confirm(self, now: float) -> tuple[Action, ...]:
        if now < self._due:
            return ()
        self._confirmed += 1
        if self._confirmed < RECHECKS:
            self._due = now + self.timing.recheck
            return ()
        self.state = State.FENCING
        return self._kill(now)

    def _kill(self, now: float) -> tuple[Action, ...]:
        self._due = now + self.timing.recheck
        return (Action.KILL,)

    def _await_successor(self) -> tuple[Action, ...]:
        self.state, self._held_since = State.RESTARTING, None
        self._due = self._seen + self.timing.flatten_after
        restart = (Action.RESTART,) if self.restarts else ()
        if self.last is not None and not self.last.exposed:
            self._end(f"{self.reason}; nothing was open")
        return restart

    def _look_for_successor(self, now: float, *, successor: bool) -> tuple[Action, ...]:
        """Wait for a kernel that keeps the lock for T1: by then it has a watcher of its own."""
        if not successor:
            self._held_since = None
            return self._flatten() if now >= self._due else ()
        if self._held_since is None:
            self._held_since = now
        if now - self._held_since >= self.timing.restart_after:
            self._end(f"{self.reason}; another kernel has taken over")
        return ()

    def _flatten(self) -> tuple[Action, ...]:
        self.state = State.FLATTENING
        return (Action.FLATTEN,)

    def _end(self, reason: str) -> tuple[Action, ...]:
        self.state, self.reason = State.ENDED, reason
        return ()
