"""What the shells need of the world. Implementations live in ``storage/`` and ``bus/``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

#: Called as ``handler(topic, payload, trace_id)``.
EventHandler: TypeAlias = Callable[[str, Mapping[str, Any], str], Awaitable[None]]


class Ids(Protocol):
    """A source of trace ids."""

    def trace_id(self) -> str:
        """Return a new trace id: 16 lower-case hexadecimal characters."""


class EventBus(Protocol):
    """Publishes events of registered topics. A projection: the journal is the truth."""

    def publish(self, topic: str, payload: Mapping[str, Any], trace_id: str = "-") -> None:
        """Hand an event to all subscribers; never blocks, never raises for a subscriber's error.

        Raises:
            KeyError: the topic is not registered in `cab_core.events`.
        """

    def subscribe(self, topic: str, handler: EventHandler) -> None:
        """Call ``handler`` for each event of the topic (``*`` for all)."""
