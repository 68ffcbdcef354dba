from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from cab_core.bus import MemoryBus

RELEASED = "risk.released"
WARNING = "risk.warning"


def _publish(bus: MemoryBus, *rules: str) -> None:
    for rule in rules:
        bus.publish(RELEASED, {"rule": rule, "by": "alice"}, "00000000000000aa")


class Listener:
    """Remembers the events it is given."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def __call__(self, topic: str, payload: Mapping[str, Any], trace_id: str) -> None:
        await asyncio.sleep(0)
        self.heard.append(payload["rule"])


async def test_each_subscriber_hears_its_topics_in_order() -> None:
    bus, mine, everything, other = MemoryBus(), Listener(), Listener(), Listener()
    bus.subscribe(RELEASED, mine)
    bus.subscribe("*", everything)
    bus.subscribe(WARNING, other)

    _publish(bus, "a", "b", "c")
    bus.publish(WARNING, {"rule": "d", "reason": "near_limit", "value": 1, "threshold": 2}, "0" * 16)
    assert mine.heard == []  # publishing waits for nobody
    await bus.drain()

    assert mine.heard == ["a", "b", "c"]
    assert everything.heard == ["a", "b", "c", "d"]
    assert other.heard == ["d"]


async def test_a_raising_subscriber_is_counted_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    bus, fine = MemoryBus(), Listener()

    async def broken(topic: str, payload: Mapping[str, Any], trace_id: str) -> None:
        raise ValueError("broken subscriber")

    bus.subscribe(RELEASED, broken)
    bus.subscribe(RELEASED, fine)
    with caplog.at_level(logging.WARNING):
        _publish(bus, "a", "b")
        await bus.drain()

    assert fine.heard == ["a", "b"]
    assert bus.errors == 2
    assert "a subscriber failed on event risk.released" in caplog.text


async def test_a_slow_subscriber_loses_its_oldest_events_only() -> None:
    bus, fast = MemoryBus(limit=3), Listener()
    released = asyncio.Event()
    slow: list[str] = []

    async def waits(topic: str, payload: Mapping[str, Any], trace_id: str) -> None:
        slow.append(payload["rule"])
        await released.wait()

    bus.subscribe(RELEASED, waits)
    bus.subscribe(RELEASED, fast)
    for rule in "abcdef":
        _publish(bus, rule)
        for _ in range(5):
            await asyncio.sleep(0)
    assert fast.heard == list("abcdef")

    released.set()
    await bus.drain()
    assert slow == ["a", "d", "e", "f"]
    assert bus.dropped == 2


async def test_an_event_published_by_a_subscriber_is_delivered_too() -> None:
    bus, heard = MemoryBus(), Listener()

    async def answers(topic: str, payload: Mapping[str, Any], trace_id: str) -> None:
        bus.publish(WARNING, {"rule": "answer", "reason": "near_limit", "value": 1, "threshold": 2}, trace_id)

    bus.subscribe(RELEASED, answers)
    bus.subscribe(WARNING, heard)
    _publish(bus, "a")
    await bus.drain()
    assert heard.heard == ["answer"]


def test_events_wait_for_a_loop() -> None:
    bus, listener = MemoryBus(), Listener()
    bus.subscribe(RELEASED, listener)
    _publish(bus, "a")
    assert listener.heard == []

    asyncio.run(bus.drain())
    assert listener.heard == ["a"]
    asyncio.run(bus.drain())
    assert listener.heard == ["a"]


async def test_close_delivers_what_is_queued_and_takes_no_more() -> None:
    bus, listener = MemoryBus(), Listener()
    bus.subscribe(RELEASED, listener)
    _publish(bus, "a")
    await bus.close()
    _publish(bus, "b")
    await bus.drain()
    assert listener.heard == ["a"]


async def test_close_ends_a_subscriber_that_hangs() -> None:
    bus = MemoryBus()
    ended = asyncio.Event()

    async def hangs(topic: str, payload: Mapping[str, Any], trace_id: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    bus.subscribe(RELEASED, hangs)
    _publish(bus, "a")
    await bus.close(timeout_s=0.05)
    assert ended.is_set()


def test_what_is_not_registered_cannot_be_published_or_heard() -> None:
    bus = MemoryBus()
    with pytest.raises(KeyError, match=r"'order\.lost' is not registered"):
        bus.publish("order.lost", {}, "0" * 16)
    with pytest.raises(KeyError, match=r"'order\.lost' is not registered"):
        bus.subscribe("order.lost", Listener())


@pytest.mark.parametrize("payload", [{"rule": "a"}, {"rule": "a", "by": "b", "extra": 1}])
def test_a_payload_has_the_registered_keys(payload: dict[str, str]) -> None:
    with pytest.raises(KeyError, match=r"risk\.released: missing or unregistered payload keys"):
        MemoryBus().publish(RELEASED, payload, "0" * 16)
