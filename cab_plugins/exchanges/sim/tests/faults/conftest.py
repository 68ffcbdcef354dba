"""A real HTTP server with a desk that takes orders, so that faults are seen from both sides."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import attrs
import pytest
import uvicorn


@attrs.define
class Desk:
    """Takes every POST as an order, unless it came after its expiry on the desk's own clock."""

    now_ms: int = 1_700_000_000_000
    taken: list[str] = attrs.field(factory=list)

    def time(self) -> int:
        return self.now_ms

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = (await receive())["body"]
        headers = dict(scope["headers"])
        late = int(headers.get(b"x-gate-exptime", self.now_ms)) < self.now_ms
        status, answer = 200, {"path": scope["path"]}
        if scope["method"] == "POST":
            text = json.loads(body)["text"]
            status, answer = (400, {"label": "LATE"}) if late else (201, {"id": "7", "text": text})
            if not late:
                self.taken.append(text)
        content = json.dumps(answer).encode()
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", b"application/json"),
                    (b"content-length", str(len(content)).encode()),
                ],
            }
        )
        await send({"type": "http.response.body", "body": content})


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[int]:
    config = uvicorn.Config(app, port=0, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def serve() -> Callable[[Any], Any]:
    return served


@attrs.frozen
class Seen:
    """What a client made of one request: an answer, or the error it ended in."""

    error: str = ""
    status: int = 0
    body: str = ""


async def _order(session: aiohttp.ClientSession, port: int, text: str, **headers: str) -> Seen:
    url = f"http://127.0.0.1:{port}/api/v4/spot/orders"
    body = {"currency_pair": "BTC_USDT", "text": text}
    try:
        async with session.post(url, json=body, headers=headers) as answer:
            return Seen("", answer.status, await answer.text())
    except (aiohttp.ClientError, TimeoutError) as error:
        return Seen(type(error).__name__)


@pytest.fixture
async def order() -> AsyncIterator[Callable[..., Awaitable[Seen]]]:
    """Send orders over one kept-alive connection with a short patience."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.6)) as session:
        yield lambda port, text, **headers: _order(session, port, text, **headers)
