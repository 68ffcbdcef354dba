"""What is done by hand in a rehearsal meets a market that goes on meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from random import Random

import pytest

from cab_core.app.rehearsal.hands import act
from cab_core.app.rehearsal.plane import Plane, PlaneError

LISTED = {"stops": [{"stop_id": "7", "request": {"pair": "BTC_USDT"}}]}


@asynccontextmanager
async def answering(answers: Mapping[str, tuple[int, object]]) -> AsyncIterator[Plane]:
    """A control plane over HTTP that gives these answers, by method and path."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                status, body = answers[" ".join(head.decode().split(" ")[:2])]
                data = json.dumps(body).encode()
                writer.write(f"HTTP/1.1 {status} .\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    plane = Plane(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "token")
    try:
        yield plane
    finally:
        await plane.close()
        server.close()
        await server.wait_closed()


async def test_a_stop_that_fires_before_it_is_canceled_by_hand_is_no_failure() -> None:
    gone = (404, {"error": "no waiting stop 7"})
    async with answering({"GET /orders": (200, LISTED), "DELETE /stops/7": gone}) as plane:
        assert not await act(plane, "cancel_stop", "BTC_USDT", Random(1))
    async with answering({"GET /orders": (200, LISTED), "DELETE /stops/7": (200, {})}) as plane:
        assert await act(plane, "cancel_stop", "BTC_USDT", Random(1))


async def test_an_exchange_that_is_gone_is_one() -> None:
    async with answering({}) as plane:
        pass
    with pytest.raises(PlaneError, match="does not answer"):
        await act(plane, "cancel_stop", "BTC_USDT", Random(1))
