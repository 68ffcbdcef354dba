from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from cab_core.bus.reader import RedisReader
from cab_core.bus.redis import RedisBus, stream_of
from cab_core.errors import UsageError
from cab_core.secret import Secret

pytestmark = pytest.mark.redis

STREAM = stream_of("paper:gateio")

RELEASED = "risk.released"
ROUTINE = "market.data.invalid"


class Listener:
    """Remembers which rules were released."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def __call__(self, topic: str, payload: Mapping[str, Any], trace_id: str) -> None:
        if topic == RELEASED:
            self.heard.append(payload["rule"])


def release(bus: RedisBus, *rules: object) -> None:
    for rule in rules:
        bus.publish(RELEASED, {"rule": str(rule), "by": "alice"}, "00000000000000aa")


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def opened(server: Any, source: str = "one", **how: Any):
    bus = RedisBus(server.url, source, STREAM, **how)
    try:
        yield bus
    finally:
        await bus.close(0.2)


@asynccontextmanager
async def reading(server: Any, **how: Any):
    """A reader that stands at the end of the stream, or at its begin with ``history``."""
    reader, listener = RedisReader(server.url, STREAM, **how), Listener()
    reader.subscribe("*", listener)
    reader.start()
    await until(lambda: reader.connected)
    try:
        yield reader, listener
    finally:
        await reader.close()


@pytest.mark.catalogue(153)
async def test_another_process_reads_every_event_once_and_in_order(redis_server):
    local = Listener()
    async with reading(redis_server) as (reader, remote), opened(redis_server) as bus:
        bus.subscribe(RELEASED, local)
        release(bus, *range(250))
        await bus.drain()
        assert local.heard == [str(n) for n in range(250)]  # without waiting for Redis
        await until(lambda: len(remote.heard) == 250)
    assert remote.heard == local.heard
    assert (reader.duplicates, reader.missed, reader.rejected) == (0, 0, 0)


async def test_money_arrives_as_exact_text_with_topic_and_trace(redis_server):
    got: list[tuple[str, Mapping[str, Any], str]] = []

    async def take(*event: Any) -> None:
        got.append(event)

    payload = {"symbol": "BTC/USDT", "pnl": Decimal("-0.00000010"), "reason": "stop_loss"}
    async with opened(redis_server) as bus:
        bus.publish("position.closed", payload, "00000000000000ab")
        await until(lambda: bus.status().sent == 1)
        late = RedisReader(redis_server.url, STREAM, history=True)
        late.subscribe("position.closed", take)
        late.start()
        await until(lambda: got)
        await late.close()
    assert got == [("position.closed", {**payload, "pnl": "-0.00000010"}, "00000000000000ab")]


@pytest.mark.catalogue(153)
async def test_a_killed_server_loses_no_event_that_it_had_not_taken(redis_server, caplog):
    local = Listener()
    async with reading(redis_server) as (reader, remote), opened(redis_server) as bus:
        bus.subscribe(RELEASED, local)
        release(bus, "before")
        await until(lambda: remote.heard == ["before"])

        redis_server.kill()
        release(bus, "meanwhile", "still")
        await bus.drain()
        assert local.heard == ["before", "meanwhile", "still"]  # trading goes on hearing its events
        await until(lambda: not bus.status().connected)
        assert bus.status().waiting == 2
        assert bus.status().lag_s > 0
        assert not bus.check().ok

        redis_server.start()
        release(bus, "after")
        await until(lambda: len(remote.heard) == 4)
        assert bus.check().ok
        assert bus.status().waiting == 0
    assert remote.heard == ["before", "meanwhile", "still", "after"]
    assert (reader.duplicates, reader.missed) == (0, 0)
    assert "pass-word" not in caplog.text


@pytest.mark.catalogue(153)
async def test_a_batch_whose_answer_was_lost_is_sent_again_and_read_once(redis_server):
    async with reading(redis_server) as (reader, remote), opened(redis_server) as bus:
        execute = bus._client.pipeline

        class Lossy:
            """Redis takes the batch; then the connection breaks before its answer."""

            def __init__(self) -> None:
                self.inner = execute(transaction=True)

            async def __aenter__(self):
                return self

            async def __aexit__(self, *error: Any) -> None:
                await self.inner.reset()

            def xadd(self, *args: Any, **how: Any) -> None:
                self.inner.xadd(*args, **how)

            async def execute(self) -> None:
                await self.inner.execute()
                bus._client.pipeline = execute
                raise ConnectionResetError

        bus._client.pipeline = lambda transaction: Lossy()
        release(bus, *"abc")
        await until(lambda: bus.status().sent == 3)
        release(bus, "d")
        await until(lambda: "d" in remote.heard)
        assert remote.heard == list("abcd")
        assert reader.duplicates == 3
        with redis_server.client() as client:
            ids = [fields["id"] for _, fields in client.xrange(STREAM)]
    assert ids == ["one-1", "one-2", "one-3", "one-1", "one-2", "one-3", "one-4"]


@pytest.mark.catalogue(153)
async def test_what_waits_for_redis_is_bounded_and_the_daily_round_goes_first(redis_server):
    redis_server.kill()
    async with opened(redis_server, limit=10) as bus:
        for n in range(20):
            bus.publish(ROUTINE, {"symbol": "BTC/USDT", "dropped": n, "reason": "late"}, "0" * 16)
        release(bus, *range(8))
        status = bus.status()
        assert (status.waiting, status.dropped, status.connected) == (10, 18, False)
        redis_server.start()
        async with reading(redis_server, history=True) as (_, remote):
            await until(lambda: bus.status().waiting == 0)
            await until(lambda: len(remote.heard) == 8)
            assert remote.heard == [str(n) for n in range(8)]
        with redis_server.client() as client:
            kept = [json.loads(f["payload"]) for _, f in client.xrange(STREAM) if f["topic"] == ROUTINE]
    assert [payload["dropped"] for payload in kept] == [18, 19]


@pytest.mark.catalogue(153)
async def test_a_slow_subscriber_elsewhere_is_bounded_and_delays_nobody(redis_server):
    slow, released = [], asyncio.Event()

    async def waits(topic: str, payload: Mapping[str, Any], trace_id: str) -> None:
        slow.append(payload["rule"])
        await released.wait()

    async with reading(redis_server, limit=5) as (reader, fast), opened(redis_server) as bus:
        reader.subscribe(RELEASED, waits)
        for n in range(30):
            release(bus, n)
            await until(lambda: len(fast.heard) == n + 1)  # noqa: B023 - it is awaited before n moves on
        assert reader.dropped == 24
        released.set()
        await until(lambda: len(slow) == 6)
    assert slow == ["0", "25", "26", "27", "28", "29"]


async def test_a_reader_that_was_away_goes_on_where_it_was(redis_server):
    async with opened(redis_server) as bus, reading(redis_server) as (reader, remote):
        release(bus, "a")
        await until(lambda: remote.heard == ["a"])
        with redis_server.client() as client:
            client.client_kill_filter(_type="normal", skipme=True)
        release(bus, "b", "c")
        await until(lambda: remote.heard == ["a", "b", "c"])
    assert reader.missed == 0


async def test_a_reader_knows_what_the_stream_no_longer_keeps(redis_server):
    async with reading(redis_server) as (reader, remote), opened(redis_server) as bus:
        release(bus, "a")
        await until(lambda: remote.heard == ["a"])
        with redis_server.client() as client:
            entry = {"source": "one", "seq": 9, "topic": RELEASED, "trace_id": "-"}
            client.xadd(STREAM, {**entry, "payload": '{"rule": "z", "by": "x"}'})
            client.xadd(STREAM, {**entry, "seq": 10, "topic": "of.another.version", "payload": "{}"})
            client.xadd(STREAM, {**entry, "seq": 11, "payload": "[]"})
            client.xadd(STREAM, {"something": "else"})
        await until(lambda: reader.rejected == 3)
        assert remote.heard == ["a", "z"]
        assert reader.missed == 7


async def test_the_stream_is_bounded(redis_server):
    async with opened(redis_server, kept=100) as bus:
        for n in range(30):
            release(bus, *range(n * 30, n * 30 + 30))
            await until(lambda: bus.status().waiting == 0)
        with redis_server.client() as client:
            assert client.xlen(STREAM) < 300  # whole nodes of the stream are cut off, about a hundred each


async def test_close_sends_what_waits_and_takes_no_more(redis_server):
    bus = RedisBus(redis_server.url, "one", STREAM)
    release(bus, *range(150))
    await bus.close()
    release(bus, "late")
    with redis_server.client() as client:
        assert client.xlen(STREAM) == 150


@pytest.mark.catalogue(153)
async def test_close_without_redis_ends_in_time_and_says_what_is_lost(redis_server, caplog):
    redis_server.kill()
    bus = RedisBus(redis_server.url, "one", STREAM)
    release(bus, "a", "b")
    with caplog.at_level(logging.WARNING):
        async with asyncio.timeout(10):
            await bus.close(0.3)
    assert "2 events did not reach redis://127.0.0.1" in caplog.text
    assert "pass-word" not in caplog.text


def test_an_event_published_before_the_loop_runs_is_sent_later(redis_server):
    bus = RedisBus(redis_server.url, "one", STREAM)
    release(bus, "a")

    async def main() -> None:
        release(bus, "b")
        await bus.close()

    asyncio.run(main())
    with redis_server.client() as client:
        assert [fields["seq"] for _, fields in client.xrange(STREAM)] == ["1", "2"]


async def test_what_is_not_registered_is_refused_and_not_sent(redis_server):
    async with opened(redis_server) as bus:
        with pytest.raises(KeyError, match="not registered"):
            bus.publish("order.lost", {}, "0" * 16)
        assert bus.status().waiting == 0


@pytest.mark.parametrize("url", ["redis://:pass/word@localhost:1/0", "redis://user:pass/word@localhost/0"])
def test_an_unreadable_address_is_refused_without_its_password(url):
    with pytest.raises(UsageError) as caught:
        RedisBus(Secret(url), "one", STREAM)
    assert caught.value.__cause__ is None
    assert "pass" not in str(caught.value)


async def test_the_password_is_shown_nowhere(redis_server):
    async with opened(redis_server) as bus:
        for text in (repr(bus), bus.place, repr(bus._client), str(vars(bus)), bus.check().detail):
            assert "pass-word" not in text
