"""A deadline for plugin code that runs inside the process.

A budget is CPU time of the calling thread, so that a busy machine does not turn ordinary calls into late
ones; a call that uses none, because it sleeps or waits, is cut off after a few budgets of real time.

Works on the main thread of Unix systems, for Python code; elsewhere a call is only measured. Plugins are
guarded against mistakes, not against malice: C code and code that swallows the timeout for ever go on, and
then the dead man's switch is what is left.
"""

from __future__ import annotations

import gc
import math
import signal
import threading
from time import perf_counter, thread_time
from types import FrameType, TracebackType
from typing import Any

#: How often the armed timer looks at the deadline of the running call, in seconds.
TICK_S = 0.05


#: Real time a call may take, in budgets: how long one that sleeps is waited for.
PATIENCE = 5


class PluginTimeout(BaseException):
    """A plugin used up its budget. Not an `Exception`, so that its own handlers do not catch it."""


class HangGuard:
    """One alarm for a whole set of calls, with a deadline for each of them.

    Installing a signal handler costs more than most strategies, so it is done once per set: enter the guard,
    then give each call its own budget with `start` and end it with `finish`. Entering again inside is free.
    The alarm and handler that were there before are put back at the end.
    """

    def __init__(self) -> None:
        self._soonest = math.inf  # real time before which the call cannot be late
        self._latest = math.inf  # real time from which it is
        self._cpu_deadline = math.inf
        self._collects = False
        self._depth = 0
        self._armed = False
        self._before: tuple[Any, float, float] = (None, 0.0, 0.0)  # handler, seconds left, since when

    def __enter__(self) -> HangGuard:
        self._depth += 1
        if self._depth == 1:
            self._arm()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if self._depth == 0 and self._armed:
            self._disarm()

    @property
    def armed(self) -> bool:
        """Whether calls are interrupted at their deadline, not only measured."""
        return self._armed

    def start(self, budget_s: float) -> float:
        """Set the deadlines of the call that begins now; return the time it began."""
        self._collects = self._collects or gc.isenabled()
        gc.disable()  # the garbage of the whole process is not collected at one plugin's expense
        now = perf_counter()
        self._soonest = now + budget_s
        self._latest = now + PATIENCE * budget_s
        self._cpu_deadline = thread_time() + budget_s
        return now

    def finish(self) -> bool:
        """Lift the deadlines: what runs now is not a plugin. Return whether the call was in time."""
        in_time = self._left() > 0
        self._soonest = self._latest = self._cpu_deadline = math.inf
        if self._collects:
            self._collects = False
            gc.enable()
        return in_time

    def _left(self) -> float:
        """Return the seconds that must pass before the running call can be late; 0 or less if it is."""
        now = perf_counter()
        if now < self._soonest:  # no thread uses more CPU time than real time passes
            return self._soonest - now
        return min(self._latest - now, self._cpu_deadline - thread_time())

    def _arm(self) -> None:
        on_main = threading.current_thread() is threading.main_thread()
        if not (on_main and hasattr(signal, "setitimer")):
            return
        remaining, _ = signal.setitimer(signal.ITIMER_REAL, 0.0)
        self._before = (signal.signal(signal.SIGALRM, self._fired), remaining, perf_counter())
        self._armed = True
        signal.setitimer(signal.ITIMER_REAL, TICK_S, TICK_S)

    def _disarm(self) -> None:
        self._armed = False  # first: an alarm that is already on its way must not arm the timer again
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        handler, remaining, since = self._before
        signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)
        if remaining:
            signal.setitimer(signal.ITIMER_REAL, max(remaining - (perf_counter() - since), 1e-3))

    def _fired(self, _signal: int, _frame: FrameType | None) -> None:
        if not self._armed:
            return
        left = self._left()
        if left <= 0:
            raise PluginTimeout  # again at each tick, should the plugin swallow it
        if left < TICK_S:
            signal.setitimer(signal.ITIMER_REAL, left, TICK_S)
