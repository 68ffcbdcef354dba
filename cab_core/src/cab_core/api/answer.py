"""An answer on its way: the headers all of them have, ETags, and an end for listeners that take nothing."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from cab_core.api.headers import SECURITY
from cab_core.api.problems import MEDIA_TYPE, ApiError, problem_of
from cab_core.errors import CabError

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class StuckListenerError(Exception):
    """A listener of the stream takes nothing any more."""


@attrs.define(eq=False)
class Answer:
    """Sends what the application answers.

    Attributes:
        trace_id: of the request.
        on_answer: told the status.
        parcel_s: seconds a listener of the stream may take for a parcel.
        known: ETag the client has, empty for none; None if the request is no GET.
        on_stream: called when the answer turns out to be a stream.
    """

    _send: Send
    trace_id: str
    on_answer: Callable[[int], None]
    parcel_s: float
    known: str | None
    started: bool = False
    streaming: bool = False
    deadline: asyncio.Timeout | None = None
    on_stream: Callable[[], None] = lambda: None
    _held: Message | None = None

    async def send(self, message: Message) -> None:
        """Send a message of the application.

        Raises:
            StuckListenerError: the listener of a stream takes nothing.
        """
        if message["type"] == "http.response.start":
            self._begin(message)
            if self._may_be_known(message):
                self._held = message
                return
        elif self._held is not None:
            message = await self._release(message)
        if not self.streaming:
            await self._send(message)
            return
        try:
            async with asyncio.timeout(self.parcel_s):
                await self._send(message)
        except TimeoutError:
            raise StuckListenerError from None

    async def refuse(self, error: ApiError | CabError) -> None:
        """Answer with a problem."""
        problem = problem_of(error, self.trace_id)
        more = error.headers() if isinstance(error, ApiError) else {}
        body = problem.encode()
        given = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), **more}
        headers = [(name.encode(), value.encode()) for name, value in given.items()]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    def _begin(self, message: Message) -> None:
        self.started = True
        self.on_answer(message["status"])
        headers = list(message.get("headers", []))
        known = {name.lower() for name, _ in headers}
        headers += [(name, value) for name, value in SECURITY if name not in known]
        message["headers"] = [*headers, (b"x-trace-id", self.trace_id.encode())]
        if _kind(message).startswith(b"text/event-stream"):
            self.streaming = True
            self.on_stream()
            if self.deadline is not None:
                self.deadline.reschedule(None)

    def _may_be_known(self, message: Message) -> bool:
        return self.known is not None and message["status"] == 200 and _kind(message) == b"application/json"

    async def _release(self, message: Message) -> Message:
        """Send the head of an answer now that its body is known, or that the client has it already."""
        head, self._held = self._held or {}, None
        if not message.get("more_body", False):
            etag = f'"{hashlib.blake2b(message.get("body", b""), digest_size=12).hexdigest()}"'
            head["headers"].append((b"etag", etag.encode()))
            if etag in [each.strip() for each in (self.known or "").split(",")]:
                left_out = (b"content-length", b"content-type")
                head["headers"] = [pair for pair in head["headers"] if pair[0].lower() not in left_out]
                head["status"], message = 304, {**message, "body": b""}
        await self._send(head)
        return message


def _kind(message: Message) -> bytes:
    return next((value for name, value in message["headers"] if name.lower() == b"content-type"), b"")
