"""Calling plugins one by one, so that a failing one spoils its own answer and nothing else.

This is the one place with broad ``except`` clauses: whatever a plugin raises, also ``SystemExit`` and
``AssertionError``, becomes data. Only ``KeyboardInterrupt`` passes: it is the user's.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Generic, NamedTuple, TypeVar

from cab_core.plugins.failures import Failure, place_of
from cab_core.plugins.guard import HangGuard, PluginTimeout
from cab_core.plugins.policy import STRIKES, STRIKES_WINDOW

T = TypeVar("T")

_ERROR = "error:"


class PluginJunk(Exception):  # noqa: N818 - traces say `error:PluginJunk`
    """A plugin answered something that is not an answer."""


class PluginQuarantined(Exception):  # noqa: N818 - traces say `error:PluginQuarantined`
    """A plugin is no longer called after too many strikes."""


class PluginWaits(Exception):  # noqa: N818 - traces say `error:PluginWaits`
    """An ``async def`` hook really waits, where only computing is allowed."""


class Outcome(NamedTuple, Generic[T]):
    """What came of one call of one plugin.

    Attributes:
        id: plugin id, e.g. ``risk:cooldown``.
        value: the validated answer; None if ``error`` is set.
        error: what it raised, or why the answer does not count; None if all is well.
        seconds: how long it took.
    """

    id: str
    value: T | None
    error: BaseException | None
    seconds: float

    @property
    def reason(self) -> str:
        """Return the machine-readable reason, ``error:<ExceptionName>``; empty if all is well."""
        return error_reason(self.error) if self.error is not None else ""


def error_reason(error: BaseException) -> str:
    """Return ``error:<ExceptionName>`` as traces show it."""
    return f"{_ERROR}{type(error).__name__}"


def is_error(reason: str) -> bool:
    """Say whether a reason is `error_reason` of something."""
    return reason.startswith(_ERROR)


def describe(error: BaseException) -> str:
    """Return ``<ExceptionName>: <its text>``; a foreign exception may fail even at this."""
    text, _ = attempt(str, error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def told(error: BaseException) -> str:
    """Return what was raised and at which line of the plugin, for people."""
    place = place_of(error)
    return f"{describe(error)} at {place}" if place else describe(error)


def attempt(function: Callable[..., T], *args: Any) -> tuple[T | None, BaseException | None]:
    """Call foreign code and return its value or what it raised, never both."""
    try:
        return function(*args), None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - see the module's docstring
        return None, error


def attempt_within(
    guard: HangGuard, budget_s: float, function: Callable[..., T], *args: Any
) -> tuple[T | None, BaseException | None, float]:
    """Call foreign code with a deadline; return its value, its error and the seconds it took.

    Where the guard cannot interrupt (another thread, another system) a late answer is a timeout all the same.
    """
    value: T | None = None
    error: BaseException | None = None
    in_time = True
    began = perf_counter()
    try:
        try:
            began = guard.start(budget_s)
            value = function(*args)
            in_time = guard.finish()
        except KeyboardInterrupt:
            guard.finish()
            raise
        except BaseException as raised:  # noqa: BLE001 - see the module's docstring
            guard.finish()
            error = raised
    except PluginTimeout as late:  # the alarm went off between the plugin's end and `finish`
        guard.finish()
        error = late
    seconds = perf_counter() - began
    if error is None and not in_time:
        return None, PluginTimeout(), seconds
    return value, error, seconds


class Strikes:
    """Counts answers that were too late or junk; three within twenty calls mean quarantine.

    A plugin that raises is counted but not struck: raising is a legitimate way to say "I cannot".
    """

    def __init__(self) -> None:
        self._recent: deque[int] = deque(maxlen=STRIKES)
        self.calls = 0
        self.failures = 0
        self.quarantined = False
        self.last_error = ""
        self.first_error = ""
        self.first_place = ""

    def good(self, calls: int = 1) -> None:
        """Count calls that went well."""
        self.calls += calls

    def bad(self, error: BaseException) -> None:
        """Count a call that failed."""
        self.calls += 1
        self.failures += 1
        self.last_error = describe(error)
        if self.failures == 1:
            self.first_error, self.first_place = self.last_error, place_of(error)
        if not isinstance(error, PluginTimeout | PluginJunk):
            return
        self._recent.append(self.calls)
        if len(self._recent) == STRIKES and self.calls - self._recent[0] < STRIKES_WINDOW:
            self.quarantined = True

    def failure(self, plugin: str, symbol: str = "") -> Failure:
        """Return what became of the plugin so far."""
        return Failure(
            plugin=plugin,
            symbol=symbol,
            calls=self.calls,
            failures=self.failures,
            message=self.first_error,
            place=self.first_place,
            quarantined=self.quarantined,
        )

    def release(self) -> None:
        """End the quarantine and forget the strikes."""
        self._recent.clear()
        self.quarantined = False


class Caller(Generic[T]):
    """Calls one hook of one plugin, validates what comes back and keeps its record.

    Args:
        id: plugin id.
        call: the hook, as `cab_core.plugins.host` bound it.
        check: returns the validated answer or raises `PluginJunk`.
        budget_s: of one call.
        guard: shared by all callers of a set.

    Attributes:
        call: the hook itself.
        seconds: how long the last call of a hook that computes took.
    """

    def __init__(
        self,
        id: str,  # noqa: A002 - the word used on every surface
        call: Callable[..., Any],
        check: Callable[[Any], T],
        budget_s: float,
        guard: HangGuard,
    ) -> None:
        self.id = id
        self.guard = guard
        self.strikes = Strikes()
        self.seconds = 0.0
        self.call = call
        self._check = check
        self._budget_s = budget_s

    def __call__(self, *args: Any) -> Outcome[T]:
        """Call a hook that computes."""
        with self.guard:
            return self.ask(*args)

    def ask(self, *args: Any) -> Outcome[T]:
        """Call a hook that computes, inside the guard that the caller of this method has entered."""
        value, error = self.answer(*args)
        return Outcome(self.id, value, error, self.seconds)

    def answer(self, *args: Any) -> tuple[T | None, BaseException | None]:
        """Call likewise; return the validated answer or why there is none, never both.

        The way for calls by the thousand: without an `Outcome` for each.
        """
        if self.strikes.quarantined:
            self.seconds = 0.0
            return None, self._refusal()
        value, error, self.seconds = attempt_within(self.guard, self._budget_s, self.call, *args)
        return self.judged(value, error)

    async def wait(self, *args: Any) -> Outcome[T]:
        """Call a hook that may wait, e.g. for the network."""
        if self.strikes.quarantined:
            return Outcome(self.id, None, self._refusal(), 0.0)
        began = perf_counter()
        answer, raised, _ = await _awaited(self.guard, self._budget_s, self.call, *args)
        seconds = perf_counter() - began
        value, error = self.judged(answer, raised)
        return Outcome(self.id, value, error, seconds)

    def _refusal(self) -> PluginQuarantined:
        return PluginQuarantined(self.strikes.last_error)

    def judged(self, answer: Any, error: BaseException | None) -> tuple[T | None, BaseException | None]:
        """Validate what a call brought, an answer or an error, and count it."""
        if error is None:
            checked, error = attempt(self._check, answer)  # a hostile answer may raise while it is looked at
            if error is None:
                self.strikes.good()
                return checked, None
            if not isinstance(error, PluginJunk):
                error = PluginJunk(describe(error))
        self.strikes.bad(error)
        return None, error


async def _awaited(
    guard: HangGuard, budget_s: float, function: Callable[..., Any], *args: Any
) -> tuple[Any, BaseException | None, float]:
    with guard:  # the part before the first await may hang like any other code
        value, error, seconds = attempt_within(guard, budget_s, function, *args)
    if error is not None or not inspect.isawaitable(value):
        return value, error, seconds
    deadline = asyncio.timeout(budget_s)
    try:
        async with deadline:
            return await value, None, seconds
    except KeyboardInterrupt:
        raise
    except TimeoutError as late:  # also raised by clients of the plugin's own, within its budget
        return None, PluginTimeout() if deadline.expired() else late, seconds
    except asyncio.CancelledError as cancelled:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise  # the kernel is stopping; anything else is the plugin's own doing
        return None, cancelled, seconds
    except BaseException as raised:  # noqa: BLE001 - see the module's docstring
        return None, raised, seconds


async def endure(function: Callable[..., Any], *args: Any) -> BaseException | None:
    """Await a hook that works as long as the bot; return what ended it, None if it ended by itself.

    Cancelling the task that awaits it is no failure and passes.
    """
    try:
        await function(*args)
    except KeyboardInterrupt:
        raise
    except asyncio.CancelledError as cancelled:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return cancelled
    except BaseException as raised:  # noqa: BLE001 - see the module's docstring
        return raised
    return None


def call_each(callers: Sequence[Caller[T]], *args: Any) -> list[Outcome[T]]:
    """Ask plugins one after the other, under one alarm; outcomes come in the order of ``callers``."""
    if not callers:
        return []
    with callers[0].guard:
        return [caller.ask(*args) for caller in callers]


async def call_each_waiting(callers: Sequence[Caller[T]], *args: Any) -> list[Outcome[T]]:
    """Ask plugins that may wait, all at once; outcomes come in the order of ``callers``."""
    return list(await asyncio.gather(*(caller.wait(*args) for caller in callers)))


def drive(coroutine: Any) -> Any:
    """Run a coroutine that never waits to its end and return its value.

    Raises:
        PluginWaits: it awaits something that is not ready.
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    except RuntimeError as error:
        if "no running event loop" in str(error):  # the same mistake, seen where no loop runs (replay)
            raise PluginWaits("awaits an event loop") from error
        raise
    coroutine.close()
    raise PluginWaits("awaits something that is not ready")
