"""The middleware that carries faults out, in front of any ASGI application."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from cab_exchange_sim.faults.answers import ANSWERS, GARBLED, Answer, edited
from cab_exchange_sim.faults.plan import Faults, Injected
from cab_exchange_sim.faults.rules import AFTER_ACCEPT, Request, Rule


class FaultMiddleware:
    """Lets the faults of a plan happen to HTTP requests below ``prefix``.

    Args:
        app: the exchange.
        faults: the plan.
        prefix: paths that may be hit; the control plane never is.
    """

    def __init__(self, app: ASGIApp, faults: Faults, *, prefix: str = "/api/") -> None:
        self._app = app
        self._faults = faults
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, rightly or as the plan has it."""
        if scope["type"] != ScopeType.HTTP or not scope["path"].startswith(self._prefix):
            await self._app(scope, receive, send)
            return
        body = await _whole(receive)
        query = scope["query_string"].decode()
        chosen = self._faults.decide(Request.read(str(scope["method"]), scope["path"], query, body))
        if chosen is None:
            await self._app(scope, _replay(body, receive), send)
            return
        rule, fault = chosen
        exchange = _Call(self._app, scope, body, fault)
        if rule.stage == AFTER_ACCEPT:
            await self._after(rule, exchange, receive, send)
        else:
            await self._before(rule, exchange, receive, send)

    async def _before(self, rule: Rule, exchange: _Call, receive: Receive, send: Send) -> None:
        if rule.kind in ANSWERS:
            await _send(ANSWERS[rule.kind](self._faults.now_ms()), send)
        elif rule.kind == "delay":
            await self._faults.wait(rule.seconds)
            await _send(await exchange.answer(), send)
        elif rule.kind == "late":
            await self._hang(exchange.fault, receive)
            await self._faults.wait_exchange(rule.seconds)
            if not self._faults.stopped:
                await exchange.answer()
        elif rule.kind == "hang":
            await self._hang(exchange.fault, receive)
        else:
            await _cut(receive)

    async def _after(self, rule: Rule, exchange: _Call, receive: Receive, send: Send) -> None:
        answer = await exchange.answer()
        if rule.kind == "delay":
            await self._faults.wait(rule.seconds)
            await _send(answer, send)
        elif rule.kind == "hang":
            await self._hang(exchange.fault, receive)
        elif rule.kind == "cut":
            await _cut(receive)
        elif rule.kind == "truncated":
            await _send_half(answer, receive, send)
        elif rule.kind == "edit":
            await _send(edited(answer, rule.fields), send)
        elif rule.kind in GARBLED:
            await _send(GARBLED[rule.kind](answer), send)
        else:
            await _send(ANSWERS[rule.kind](self._faults.now_ms()), send)

    async def _hang(self, fault: Injected, receive: Receive) -> None:
        """Wait until the client has closed its side, or the server stops."""
        ends = _disconnected(receive), self._faults.wait(None)
        waits = [asyncio.ensure_future(end) for end in ends]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()
        fault.gave_up_ms = self._faults.now_ms()
        await _cut(receive)


class _Call:
    """One request, ready to be put to the exchange as if the client were still there."""

    def __init__(self, app: ASGIApp, scope: HTTPScope, body: bytes, fault: Injected) -> None:
        self._app = app
        self._scope = scope
        self._body = body
        self.fault = fault

    async def answer(self) -> Answer:
        """Return the whole answer of the exchange and note its status."""
        started: dict[str, Any] = {}
        chunks: list[bytes] = []

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.update(message)
            elif message["type"] == "http.response.body":
                chunks.append(message.get("body", b""))

        await self._app(self._scope, _replay(self._body, _never), collect)
        self.fault.status = int(started["status"])
        headers = tuple((key, value) for key, value in started["headers"] if key.lower() != b"content-length")
        return Answer(self.fault.status, b"".join(chunks), headers)


async def _whole(receive: Receive) -> bytes:
    body = bytearray()
    more = True
    while more:
        message = cast("dict[str, Any]", await receive())
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


def _replay(body: bytes, then: Receive) -> Receive:
    """Return a `receive` that gives the body that was read, then goes on with ``then``."""
    given = False

    async def receive() -> Any:
        nonlocal given
        if given:
            return await then()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _never() -> Any:
    await asyncio.get_running_loop().create_future()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _start(answer: Answer, length: int, send: Send) -> None:
    headers = [*answer.headers, (b"content-length", str(length).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})


async def _send(answer: Answer, send: Send) -> None:
    await _start(answer, len(answer.body), send)
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


async def _send_half(answer: Answer, receive: Receive, send: Send) -> None:
    await _start(answer, len(answer.body), send)
    half = answer.body[: len(answer.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    _transport(receive).close()
    await _disconnected(receive)


async def _cut(receive: Receive) -> None:
    _transport(receive).abort()
    await _disconnected(receive)


def _transport(receive: Receive) -> asyncio.Transport:
    """Return the connection under uvicorn's request cycle: ASGI itself has no way to cut it."""
    cycle: Any = getattr(receive, "__self__", None)
    transport: asyncio.Transport = cycle.transport
    return transport
