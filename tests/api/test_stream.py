"""The live stream: taken up where it broke off, never silently short, and no burden for the bot."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import attrs
import pytest
from served import ServedBot

from cab_core.api.lease import LEASE_S, Lease
from cab_core.api.stream import RING, Hub

#: Longer than anything here takes on a busy machine.
_PATIENCE_S = 20.0


def lasting() -> Lease:
    async def yes() -> bool:
        return True

    return Lease("test", yes, time.monotonic)


@attrs.define
class Listener:
    """A connection to the stream over a socket of its own, with a small buffer."""

    line: socket.socket
    head: bytes = b""
    _rest: bytes = b""

    @classmethod
    def of(
        cls, bot: ServedBot, topics: str = "", last: str = "", buffer: int = 0, role: str = "viewer"
    ) -> Listener:
        parts = urlsplit(bot.url)
        line = socket.socket()
        if buffer:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        line.settimeout(_PATIENCE_S)
        line.connect((parts.hostname or "", parts.port or 0))
        again = f"Last-Event-ID: {last}\r\n" if last else ""
        request = (
            f"GET /api/v1/stream?topics={topics} HTTP/1.1\r\nHost: localhost\r\n{again}"
            f"Authorization: Bearer {bot.tokens[role]}\r\n\r\n"
        )
        line.sendall(request.encode())
        made = cls(line)
        while b"\r\n\r\n" not in made._rest:
            made._rest += made.line.recv(4096)
        made.head, _, made._rest = made._rest.partition(b"\r\n\r\n")
        return made

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield events as they come, until the server ends the stream."""
        text = b""
        while (chunk := self._chunk()) is not None:
            text += chunk
            while b"\n\n" in text:
                frame, _, text = text.partition(b"\n\n")
                fields = dict(
                    row.split(": ", 1) for row in frame.decode().splitlines() if not row.startswith(":")
                )
                if "event" in fields:
                    yield {**fields, "data": json.loads(fields["data"])}

    def _chunk(self) -> bytes | None:
        size = int(self._until(b"\r\n"), 16)
        while len(self._rest) < size + 2:
            self._more()
        chunk, self._rest = self._rest[:size], self._rest[size + 2 :]
        return chunk if size else None

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._rest:
            self._more()
        found, _, self._rest = self._rest.partition(mark)
        return found

    def _more(self) -> None:
        got = self.line.recv(65536)
        assert got, "the stream broke off"
        self._rest += got


@pytest.fixture
def listen(bot: ServedBot) -> Iterator[Callable[..., Listener]]:
    opened: list[Listener] = []

    def connect(**options: Any) -> Listener:
        opened.append(Listener.of(bot, **options))
        return opened[-1]

    yield connect
    for each in opened:
        each.line.close()


def order(number: int, filler: str = "") -> dict[str, Any]:
    return {"symbol": "BTC/USDT", "key": f"k{number}", "client_id": "c", "state": "sent", "message": filler}


def publish(bot: ServedBot, count: int, filler: str = "") -> None:
    bus = bot.orchestrator.announcer.bus

    def send() -> None:
        for number in range(count):
            bus.publish("order.changed", order(number, filler), "0" * 16)

    bot.tell(send)
    bot.ask(bus.drain)  # type: ignore[attr-defined]  # the bus of this bot is in memory


def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_events_come_in_order_and_as_asked(bot: ServedBot, listen: Callable[..., Listener]) -> None:
    heard = listen(topics="order,state")
    assert b"text/event-stream" in heard.head
    events = heard.events()
    assert next(events)["data"]["kinds"] == ["order", "state"]
    bot.tell(
        lambda: bot.orchestrator.announcer.bus.publish("risk.released", {"rule": "x", "by": "y"}, "0" * 16)
    )
    publish(bot, 20)
    with bot.client("operator") as client:
        paused = client.post("/orchestrator/pause?symbol=BTC/USDT").json()
        client.post("/orchestrator/resume")
    got = [next(events) for _ in range(21)]
    assert [each["event"] for each in got] == ["order"] * 20 + ["state"]
    assert [each["data"]["key"] for each in got[:20]] == [f"k{n}" for n in range(20)]
    assert got[20]["data"]["new"] == "paused"
    assert paused["states"]["BTC/USDT"] == "paused"
    numbers = [int(each["id"].rpartition("-")[2]) for each in got]
    assert numbers == sorted(set(numbers))


def test_a_listener_goes_on_where_it_broke_off(bot: ServedBot, listen: Callable[..., Listener]) -> None:
    first = listen(topics="order")
    events = first.events()
    next(events)
    publish(bot, 3)
    last = [next(events) for _ in range(2)][-1]["id"]
    first.line.close()
    publish(bot, 2)
    again = listen(topics="order", last=last).events()
    assert next(again)["event"] == "hello"
    assert [next(again)["data"]["key"] for _ in range(3)] == ["k2", "k0", "k1"]


def test_a_listener_away_for_too_long_is_told(bot: ServedBot, listen: Callable[..., Listener]) -> None:
    first = listen(topics="order").events()
    start = next(first)["id"]
    publish(bot, 2)
    publish(bot, 900)
    publish(bot, RING - 600)
    for last in (start, "another-run-7", "nonsense"):
        events = listen(topics="order", last=last).events()
        assert next(events)["event"] == "resync"
        assert next(events)["event"] == "hello"
    publish(bot, 1)
    assert next(events)["data"]["key"] == "k0"


def test_a_slow_listener_is_told_and_closed_and_delays_nobody(
    bot: ServedBot, listen: Callable[..., Listener]
) -> None:
    slow, quick = listen(topics="order", buffer=4096), listen(topics="state").events()
    next(quick)
    for _ in range(4):
        publish(bot, 900, "x" * 4000)
    with bot.client("operator") as client:
        client.post("/orchestrator/pause?symbol=ETH/USDT")
        client.post("/orchestrator/resume")
    assert next(quick)["data"]["new"] == "paused"
    got = list(slow.events())
    assert got[-1]["event"] == "resync"
    numbers = [int(each["id"].rpartition("-")[2]) for each in got[1:-1]]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "nothing is left out before that"
    until(lambda: bot.service.hub.listeners < 2)


def test_a_listener_that_goes_is_forgotten(bot: ServedBot, listen: Callable[..., Listener]) -> None:
    until(lambda: bot.service.hub.listeners == 0)
    heard = listen()
    until(lambda: bot.service.hub.listeners == 1)
    heard.line.close()
    until(lambda: bot.service.hub.listeners == 0)


async def test_only_the_newest_candle_of_a_symbol_counts() -> None:
    hub = Hub("run", lambda: 0)
    heard = hub.listen({"candle", "order"}, lasting())
    await anext(heard)
    cycle = {"action": "hold", "reason": "r", "order_key": None, "duration_ms": 1.0}
    for ts_ms in range(500):
        for symbol in ("A/B", "C/D"):
            await hub.on_event("cycle.completed", {"symbol": symbol, "candle_ts_ms": ts_ms, **cycle}, "-")
    hub.put("order", {"key": "k"})
    text = (await anext(heard)).decode()
    hub.close()
    assert [line for line in text.splitlines() if line.startswith("event")] == [
        "event: candle",
        "event: candle",
        "event: order",
    ]
    assert text.count('"candle_ts_ms": 499') == 2


def test_a_stream_ends_at_once_with_its_session_and_soon_with_its_token(bot: ServedBot) -> None:
    with bot.client() as browser, bot.client("admin") as program:
        assert browser.post("/login", data={"token": bot.tokens["operator"]}).status_code == 303
        csrf = {"X-CSRF-Token": browser.get("/api/v1/session").json()["csrf"]}
        with (
            browser.stream("GET", "/api/v1/stream?topics=order") as own,
            program.stream("GET", "/api/v1/stream?topics=order") as other,
        ):
            own_text, other_text = own.iter_text(), other.iter_text()
            assert "hello" in next(own_text)
            assert "hello" in next(other_text)
            assert browser.post("/logout", headers=csrf).status_code == 303
            assert list(own_text) == []  # it ended
            publish(bot, 1, "x")
            assert "event: order" in next(other_text)  # who did not log out goes on


async def test_a_listener_is_asked_for_his_right_again_and_again() -> None:
    now_s, may = 0.0, True

    async def still() -> bool:
        return may

    hub = Hub("run", lambda: 0, ping_s=0.01)
    heard = hub.listen({"order"}, Lease("viewer", still, lambda: now_s))
    await anext(heard)
    may = False
    assert await anext(heard) == b": ping\n\n"  # what was asked a moment ago still counts
    now_s = LEASE_S
    assert [text async for text in heard if text != b": ping\n\n"] == []
    assert hub.listeners == 0


async def test_silence_is_filled_with_comments() -> None:
    hub = Hub("run", lambda: 0, ping_s=0.01)
    heard = hub.listen({"order"}, lasting())
    await anext(heard)
    assert await anext(heard) == b": ping\n\n"
    hub.close()


def test_there_is_a_bound_of_listeners(bot: ServedBot, listen: Callable[..., Listener]) -> None:
    until(lambda: bot.service.hub.listeners == 0)
    share = bot.service.hub.share
    assert share < bot.settings.api_streams
    for _ in range(share):
        listen(topics="order")
    until(lambda: bot.service.hub.listeners == share)
    assert listen(topics="order").head.startswith(b"HTTP/1.1 429")  # it is one viewer's share
    for role in ("operator", "admin", "local", "setting"):
        for _ in range(min(share, bot.settings.api_streams - bot.service.hub.listeners)):
            listen(topics="order", role=role)
        until(lambda: bot.service.hub.listeners % share == 0)
    assert bot.service.hub.listeners == bot.settings.api_streams
    assert listen(topics="order", role="setting").head.startswith(b"HTTP/1.1 503")
    with bot.client() as client:
        assert client.get("/health").status_code == 200
