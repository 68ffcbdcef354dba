"""A client of the local exchange's control plane: bare HTTP, as every jump of the bot's clock asks it."""

from __future__ import annotations

import asyncio
import json
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from cab_core.errors import CabError

Json: TypeAlias = dict[str, Any]

#: A connection that rested this long may have been closed by the server.
REST_S = 2.0


class PlaneError(CabError):
    """The control plane of the local exchange did not answer, or refused."""


class PlaneRefusedError(PlaneError):
    """It answered, and refused: what was asked for is not possible, or no longer."""


class Plane:
    """Speaks to one control plane over one connection; requests take turns.

    Args:
        url: where it is, e.g. ``http://127.0.0.1:8787/__sim``.
        token: of the control plane.
    """

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._path = parts.hostname or "", parts.port or 80, parts.path
        self._head = f"Host: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used_s = 0.0
        self._turn = asyncio.Lock()

    async def now_ms(self) -> int:
        """Return the exchange's true time in epoch milliseconds."""
        return int((await self.ask("GET", "/clock"))["now_ms"])

    async def advance(self, to_ms: int) -> None:
        """Move the exchange's clock to a time and play the market until then."""
        await self.ask("POST", "/clock", {"to_ms": to_ms})

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send a request and return its parsed answer, None for an empty one.

        Raises:
            PlaneRefusedError: it is refused. PlaneError: there is no answer.
        """
        async with self._turn:
            try:
                status, answer = await self._exchange(method, path, body)
            except (OSError, asyncio.IncompleteReadError) as error:
                self._drop()
                raise PlaneError(f"the local exchange does not answer: {error}", where=path) from error
        if status >= 300:
            said = answer.decode(errors="replace")
            raise PlaneRefusedError(f"{method} {path} was refused: {said}", where=path)
        return json.loads(answer) if answer else None

    async def close(self) -> None:
        """Close the connection."""
        self._drop()

    async def _exchange(self, method: str, path: str, body: object) -> tuple[int, bytes]:
        reader, writer = await self._connection()
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {self._path}{path} HTTP/1.1\r\n{self._head}Content-Length: {len(data)}\r\n"
        writer.write((head + ("Content-Type: application/json\r\n\r\n" if data else "\r\n")).encode() + data)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        answer = await reader.readexactly(int(fields.get("content-length", "0")))
        self._used_s = asyncio.get_running_loop().time()
        return int(lines[0].split(" ")[1]), answer

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and asyncio.get_running_loop().time() - self._used_s > REST_S:
            self._drop()
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        return self._streams

    def _drop(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None
