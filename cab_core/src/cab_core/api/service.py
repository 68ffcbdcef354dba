"""What the routes of the API work with."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import attrs

from cab_core.api.auth import Authenticator
from cab_core.api.door import Door, Record
from cab_core.api.limits import RateLimiter
from cab_core.api.stream import Hub
from cab_core.app.desk.desk import Desk
from cab_core.settings import Settings

#: How much more a browser may ask for: a page is many requests.
BROWSER_FACTOR = 5


class Publish(Protocol):
    """Puts an event on the bot's bus."""

    def __call__(self, topic: str, payload: Mapping[str, Any], trace_id: str) -> None:
        """Publish it."""


class Measures(Protocol):
    """Counts what the API does, and tells all that is counted: `cab_core.app.metering.Meter`."""

    def scrape(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics and their content type for an ``Accept`` header."""

    def observe_request(self, status: int) -> None:
        """Take note of an answer."""

    def observe_login(self, outcome: str) -> None:
        """Take note of an attempt to come in: ``ok``, ``wrong`` or ``limited``."""


class NoMeasures:
    """Counts nothing: where nobody asks for metrics."""

    def scrape(self, accept: str) -> tuple[bytes, str]:  # noqa: ARG002 - as the protocol has it
        """Return none."""
        return b"", "text/plain; version=0.0.4"

    def observe_request(self, status: int) -> None:
        """Do nothing."""

    def observe_login(self, outcome: str) -> None:
        """Do nothing."""


@attrs.frozen(eq=False, kw_only=True)
class Service:
    """One bot as the API serves it.

    Attributes:
        desk: the read model and the commands.
        settings: hosts, rates and bounds.
        auth: tells who asks.
        hub: the live stream.
        measures: counts what the API does.
        publish: tells the bot's notifiers what Alertmanager says.
        now_ms: wall clock.
        new_trace_id: makes the id of a request.
        record: writes an attempt to come in to the audit.
    """

    desk: Desk
    settings: Settings
    auth: Authenticator
    hub: Hub
    measures: Measures
    publish: Publish
    now_ms: Callable[[], int]
    new_trace_id: Callable[[], str]
    record: Record
    requests: RateLimiter = attrs.field()
    failures: RateLimiter = attrs.field()

    @property
    def door(self) -> Door:
        """Lets people and programs in."""
        return Door(self.auth, self.failures, self.record, self.measures.observe_login)

    @requests.default
    def _requests(self) -> RateLimiter:
        return RateLimiter(self.settings.api_rate_per_min, time.monotonic)

    @failures.default
    def _failures(self) -> RateLimiter:
        return RateLimiter(self.settings.api_failed_logins_per_min, time.monotonic)


Sender = Callable[[Any], Awaitable[None]]
