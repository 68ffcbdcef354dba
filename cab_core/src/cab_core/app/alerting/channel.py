"""One notifier: what waits for it, and how it is tried again while it is down."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import attrs

from cab_core.app.alerting.classes import Notice
from cab_core.app.alerting.messages import clock_text, compose
from cab_core.app.alerting.queue import Message, Queue
from cab_core.clock import Clock
from cab_core.domain.alerts import Alert, Severity
from cab_core.plugins.isolation import Caller, Outcome, describe
from cab_core.ports import Ids

log = logging.getLogger("cab.alerts.dispatch")

#: Pauses after failures are 2, 4, 8 … s, and never longer than this.
LONGEST_PAUSE_S = 60
#: A message that failed so often is dropped, if the notifier took others meanwhile.
MOST_ATTEMPTS = 20
#: Every so manieth attempt after failures is made with another message.
_PROBE = 4


@attrs.define(eq=False)
class Channel:
    """Brings the messages of one queue to its notifier, one after the other.

    Attributes:
        keep: saves what changed; never raises.
        new_id: makes the id of a message of the channel's own.
        ids: of the alerts of the channel's own.
        failed: attempts that failed.
        down_since_ms: since when the notifier takes nothing, None while it works.
    """

    queue: Queue
    caller: Caller[None]
    clock: Clock
    keep: Callable[[], Awaitable[None]]
    new_id: Callable[[], str]
    ids: Ids
    failed: int = attrs.field(default=0, init=False)
    down_since_ms: int | None = attrs.field(default=None, init=False)
    _retry_ms: int = attrs.field(default=0, init=False)
    _failures: int = attrs.field(default=0, init=False)
    _taken: int = attrs.field(default=0, init=False)
    _late: int = attrs.field(default=0, init=False)
    _dropped: int = attrs.field(default=0, init=False)
    _lost: int = attrs.field(default=0, init=False)
    _taken_before: dict[str, int] = attrs.field(factory=dict, init=False)

    def ready(self) -> bool:
        """Say whether something is due and the pause after a failure is over."""
        now_ms = self.clock.now_ms()
        return now_ms >= self._retry_ms and self.queue.next(now_ms) is not None

    async def deliver(self, *, everything: bool = False) -> None:
        """Send what is due until nothing is, or the notifier fails; ``everything`` is due at the end."""
        while self.clock.now_ms() >= self._retry_ms or everything:
            now_ms = self.clock.now_ms()
            message = self.queue.next(now_ms, everything=everything, place=self._place())
            if message is None:
                break
            message = self.queue.begin(message, now_ms)
            await self.keep()
            outcome = await self.caller.wait(compose(message, now_ms))
            if outcome.error is not None:
                self._refused(message, outcome)
                break
            self._accepted(message)
        await self.keep()

    def _place(self) -> int:
        """Return which message to try: now and then another one, in case only the first is unwelcome."""
        return self._failures // _PROBE + 1 if self._failures % _PROBE == _PROBE - 1 else 0

    def _accepted(self, message: Message) -> None:
        now_ms = self.clock.now_ms()
        self.queue.sent(message, now_ms)
        self._taken_before.pop(message.id, None)
        self._taken += 1
        self._failures = 0
        if self.queue.dropped > self._dropped:
            log.warning(
                "%d alerts for %s were dropped: too many waited",
                self.queue.dropped - self._dropped,
                self.queue.notifier,
            )
            self._dropped = self.queue.dropped
        if self.down_since_ms is not None:
            self._late += len(message.rows)
            self._recovered(now_ms, self.down_since_ms)

    def _refused(self, message: Message, outcome: Outcome[None]) -> None:
        now_ms, error = self.clock.now_ms(), outcome.error
        self.failed += 1
        self.queue.failed(message, "" if error is None else describe(error))
        self._failures += 1
        self._retry_ms = now_ms + 1000 * min(2**self._failures, LONGEST_PAUSE_S)
        if self.caller.strikes.quarantined:  # pauses spare a notifier that hangs; giving it up helps nobody
            self.caller.strikes.release()
        if self.down_since_ms is None:
            self.down_since_ms, self._lost = now_ms, self.queue.dropped
            log.warning("%s takes no alerts: %s", outcome.id, error)
        taken = self._taken_before.setdefault(message.id, self._taken)
        if message.rows[0].attempts >= MOST_ATTEMPTS and self._taken > taken:
            del self._taken_before[message.id]
            self.queue.give_up(message)
            log.error("%s does not take message %s, which is dropped: %s", outcome.id, message.id, error)

    def _recovered(self, now_ms: int, since_ms: int) -> None:
        """Say once that messages come again, and what the outage did to them."""
        lost, late = self.queue.dropped - self._lost, len(self.queue) + self._late
        self.down_since_ms, self._late = None, 0
        span = f"{clock_text(since_ms)} to {clock_text(now_ms)}"
        text = f"{self.queue.notifier} took no alerts from {span}: {late} came late, {lost} were lost"
        log.info("%s", text)
        alert = Alert(Severity.IMPORTANT, "notifier.recovered", text, self.ids.trace_id(), ts_ms=now_ms)
        self.queue.offer(Notice(alert, distinct=True), self.new_id(), now_ms)
