"""What the routes of the API work with."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import attrs

from cab_core.api.auth import Authenticator
from cab_core.api.limits import RateLimiter
from cab_core.api.stream import Hub
from cab_core.app.desk.desk import Desk
from cab_core.settings import Settings

#: Returns the metrics and their content type for an ``Accept`` header.
Scrape = Callable[[str], tuple[bytes, str]]

#: How much more a browser may ask for: a page is many requests.
BROWSER_FACTOR = 5


class Publish(Protocol):
    """Puts an event on the bot's bus."""

    def __call__(self, topic: str, payload: Mapping[str, Any], trace_id: str) -> None:
        """Publish it."""


@attrs.frozen(eq=False, kw_only=True)
class Service:
    """One bot as the API serves it.

    Attributes:
        desk: the read model and the commands.
        settings: hosts, rates and bounds.
        auth: tells who asks.
        hub: the live stream.
        metrics: the bot's metrics.
        publish: tells the bot's notifiers what Alertmanager says.
        now_ms: wall clock.
        new_trace_id: makes the id of a request.
        on_answer: told the status of every answer.
    """

    desk: Desk
    settings: Settings
    auth: Authenticator
    hub: Hub
    metrics: Scrape
    publish: Publish
    now_ms: Callable[[], int]
    new_trace_id: Callable[[], str]
    on_answer: Callable[[int], None] = lambda _: None
    requests: RateLimiter = attrs.field()
    failures: RateLimiter = attrs.field()

    @requests.default
    def _requests(self) -> RateLimiter:
        return RateLimiter(self.settings.api_rate_per_min, time.monotonic)

    @failures.default
    def _failures(self) -> RateLimiter:
        return RateLimiter(self.settings.api_failed_logins_per_min, time.monotonic)


Sender = Callable[[Any], Awaitable[None]]
