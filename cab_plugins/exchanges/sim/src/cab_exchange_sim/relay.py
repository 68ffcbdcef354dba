"""A TCP relay in front of a server, for the faults that only a network can make."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from enum import StrEnum

import attrs

from cab_exchange_sim.faults.draws import fraction

_CHUNK = 65_536
_SLICES_PER_S = 20


class Net(StrEnum):
    """What can happen to one request and its answer.

    ``cut`` lets ``amount`` bytes of the answer through, then closes. ``throttle`` passes ``amount`` bytes per
    second each way. ``late`` holds the request for ``amount`` seconds and delivers it even if the client has
    gone by then. ``reset_after`` resets when the server has answered. ``black_hole`` swallows both ways.
    """

    PASS = "pass"  # noqa: S105 - an action, not a password
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    CUT = "cut"
    BLACK_HOLE = "black_hole"
    THROTTLE = "throttle"
    LATE = "late"


@attrs.frozen(slots=True)
class NetFault:
    """One action; it waits for a request whose first line contains the regular expression ``match``."""

    action: Net = attrs.field(converter=Net)
    amount: float = 0
    match: str = ""

    def meets(self, line: str) -> bool:
        """Tell whether it is meant for the request of this first line."""
        return re.search(self.match, line) is not None


_PASS = NetFault(Net.PASS)


class Relay:
    """Forwards TCP connections on loopback to one server, and does to each request what is planned.

    A request begins with the first bytes of a client after an answer, so kept-alive connections are served
    request by request. Planned single faults come first, then the standing one, then the seeded schedule.

    Args:
        port: port of the server. ``host``: its address.
        listen: port to listen on, 0 for any free one.

    Attributes:
        history: action and first line of each request so far.
    """

    def __init__(self, port: int, *, host: str = "127.0.0.1", listen: int = 0) -> None:
        self.port = listen
        self.history: list[tuple[Net, str]] = []
        self._target = host, port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._next: deque[NetFault] = deque()
        self._standing: NetFault | None = None
        self._seed: object = 0
        self._shares: Mapping[NetFault, float] = {}

    async def __aenter__(self) -> Relay:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()

    async def open(self) -> None:
        """Listen; after `refuse` on the same port again."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Drop all connections and close the port: the next connection is refused by the system."""
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def next(self, *faults: NetFault) -> None:
        """Plan faults for coming requests, each for the first request it meets."""
        self._next.extend(faults)

    def always(self, fault: NetFault | None) -> None:
        """Let every request that is met and not planned otherwise have this fault; None ends it."""
        self._standing = fault

    def schedule(self, seed: object, shares: Mapping[NetFault, float]) -> None:
        """Draw a fault for each request from shares of 1, by the seed and the number of the request."""
        self._seed, self._shares = seed, dict(shares)

    def clear(self) -> None:
        """Forget all plans; what is under way goes on."""
        self._next.clear()
        self._standing, self._shares = None, {}

    def counts(self) -> Mapping[str, int]:
        """Return how many requests met each action."""
        return Counter(action.value for action, _ in self.history)

    def choose(self, line: str) -> NetFault:
        """Decide on the next request, by its first line, and note it."""
        fault = next(self._planned(line), _PASS)
        if fault in self._next:
            self._next.remove(fault)
        self.history.append((fault.action, line))
        return fault

    def _planned(self, line: str) -> Iterator[NetFault]:
        yield from (fault for fault in self._next if fault.meets(line))
        if self._standing is not None and self._standing.meets(line):
            yield self._standing
        drawn = fraction(self._seed, len(self.history))
        for fault, share in self._shares.items():
            if 0 <= drawn < share and fault.meets(line):
                yield fault
            drawn -= share

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._connections.add(task)
        try:
            server = await asyncio.open_connection(*self._target)
            with suppress(ConnectionError):
                await _Connection(self, (reader, writer), server).run()
        except (ConnectionError, asyncio.CancelledError):
            pass  # a server that is away, or `refuse`: the client is dropped either way
        finally:
            writer.transport.abort()
            self._connections.discard(task)


_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Connection:
    """One client's connection and its counterpart at the server."""

    def __init__(self, relay: Relay, client: _Stream, server: _Stream) -> None:
        self._relay = relay
        self._client_in, self._client_out = client
        self._server_in, self._server_out = server
        self._fault = _PASS
        self._left = 0
        self._answered = asyncio.Event()
        self._answered.set()

    async def run(self) -> None:
        """Carry bytes both ways until one side ends or a fault ends it."""
        ways = [asyncio.ensure_future(self._requests()), asyncio.ensure_future(self._answers())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            self._server_out.close()  # first: whoever cancels this task would keep it from being done
            await asyncio.gather(*ways, return_exceptions=True)
        if not self._client_out.transport.is_closing():
            self._client_out.close()
            await self._client_out.wait_closed()

    async def _requests(self) -> None:
        while chunk := await self._client_in.read(_CHUNK):
            if self._answered.is_set():
                await self._begin(chunk)
            if self._fault.action is Net.RESET_BEFORE:
                return self._reset()
            if self._fault.action is not Net.BLACK_HOLE:
                await self._pass(self._server_out, chunk)
        if self._fault.action is Net.LATE:
            await self._answered.wait()  # the client has gone; the server shall not notice before it answers
        return None

    async def _begin(self, chunk: bytes) -> None:
        self._fault = self._relay.choose(chunk.split(b"\r\n", 1)[0].decode("latin-1"))
        self._left = int(self._fault.amount)
        self._answered.clear()
        if self._fault.action is Net.LATE:
            await asyncio.sleep(self._fault.amount)

    async def _answers(self) -> None:
        while chunk := await self._server_in.read(_CHUNK):
            self._answered.set()
            if self._fault.action is Net.RESET_AFTER:
                return self._reset()
            if self._fault.action is Net.CUT:
                chunk, self._left = chunk[: self._left], self._left - len(chunk)
            await self._pass(self._client_out, chunk)
            if self._fault.action is Net.CUT and self._left <= 0:
                return None
        return None

    async def _pass(self, out: asyncio.StreamWriter, chunk: bytes) -> None:
        size = len(chunk)
        if self._fault.action is Net.THROTTLE:
            size = max(1, int(self._fault.amount / _SLICES_PER_S))
        for start in range(0, len(chunk), max(1, size)):
            out.write(chunk[start : start + size])
            await out.drain()
            if self._fault.action is Net.THROTTLE:
                await asyncio.sleep(1 / _SLICES_PER_S)

    def _reset(self) -> None:
        """Close with RST, as a dying peer or a firewall does."""
        connection = self._client_out.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._client_out.transport.abort()
