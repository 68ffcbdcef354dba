"""A Bot API server of our own: what the bot sends can be looked at, and what people write is put in.

Run as a process: ``python emulator.py``; it prints its port. Each bot token is a world of its own, so tests
share one process. Methods of the Bot API lie under ``/bot<token>/<method>``, controls of the tests under
``/control/<token>/<verb>``: ``update``, ``calls``, ``faults``.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections import deque
from email import message_from_bytes
from typing import Any
from urllib.parse import parse_qsl

import uvicorn

BOT = {"id": 999, "is_bot": True, "first_name": "cab", "username": "cab_test_bot"}
METHODS = {
    "sendMessage",
    "sendPhoto",
    "editMessageText",
    "answerCallbackQuery",
    "setMyCommands",
    "getMe",
    "getUpdates",
}


class World:
    """What one bot's server knows: updates not yet confirmed, calls so far, faults to come."""

    def __init__(self) -> None:
        self.updates: deque[dict[str, Any]] = deque()
        self.calls: list[dict[str, Any]] = []
        self.faults: list[dict[str, Any]] = []
        self.news = asyncio.Event()
        self.polls = 0
        self.ids = itertools.count(1000)

    def add(self, updates: list[dict[str, Any]]) -> None:
        """Put updates in, as they are: also twice the same."""
        self.updates.extend(updates)
        self.news.set()

    def fault(self, method: str) -> dict[str, Any] | None:
        """Return the fault that this call meets: ``{"method", "status", "times", ...}``."""
        for fault in self.faults:
            if fault["method"] in (method, "*") and fault["times"] > 0:
                fault["times"] -= 1
                return fault
        return None

    async def waiting(self, offset: int | None, timeout: float) -> list[dict[str, Any]]:
        """Return the updates from ``offset`` on, which confirms those before; wait for some."""
        if offset is not None:
            while self.updates and self.updates[0]["update_id"] < offset:
                self.updates.popleft()
        if not self.updates:
            self.news.clear()
            try:
                await asyncio.wait_for(self.news.wait(), timeout)
            except TimeoutError:
                return []
        return list(self.updates)[:100]


WORLDS: dict[str, World] = {}


def world_of(token: str) -> World:
    """Return the world of a token, a new one if need be."""
    return WORLDS.setdefault(token, World())


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer one request."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        event = await receive()
        body += event.get("body", b"")
        if not event.get("more_body"):
            break
    parts = scope["path"].strip("/").split("/")
    if parts[0] == "control":
        status, answer = 200, control(world_of(parts[1]), parts[2], body)
    else:
        status, answer = await bot_api(parts[0].removeprefix("bot"), parts[-1], fields_of(scope, body))
    payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    kind = b"text/html" if isinstance(answer, bytes) else b"application/json"
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
    await send({"type": "http.response.body", "body": payload})


def control(world: World, verb: str, body: bytes) -> Any:
    """Serve the tests."""
    if verb == "update":
        world.add(json.loads(body))
    elif verb == "faults":
        world.faults = json.loads(body)
    return {"calls": world.calls, "polls": world.polls, "waiting": [u["update_id"] for u in world.updates]}


async def bot_api(token: str, method: str, fields: dict[str, Any]) -> tuple[int, Any]:
    """Serve the bot."""
    world = world_of(token)
    if token.startswith("1:"):
        return error(401, "Unauthorized")
    if method not in METHODS:
        return error(404, "Not Found: method not found")
    fault = world.fault(method)
    if fault is not None:
        return faulty(fault)
    if method == "getMe":
        return ok(BOT)
    if method == "getUpdates":
        world.polls += 1
        offset = int(fields["offset"]) if "offset" in fields else None
        return ok(await world.waiting(offset, float(fields.get("timeout", 0))))
    world.calls.append({"method": method, **fields})
    return acted(world, method, fields)


def acted(world: World, method: str, fields: dict[str, Any]) -> tuple[int, Any]:
    """Do what a method asks for, as far as the bot sees it."""
    text = fields.get("text", fields.get("caption", ""))
    if len(text.encode("utf-16-le")) // 2 > (1024 if method == "sendPhoto" else 4096):
        return error(400, "Bad Request: message is too long")
    for row in json.loads(fields.get("reply_markup") or "{}").get("inline_keyboard", []):
        if any(len(button["callback_data"].encode()) > 64 for button in row):
            return error(400, "Bad Request: BUTTON_DATA_INVALID")
    if method in ("answerCallbackQuery", "setMyCommands"):
        return ok(result=True)
    number = int(fields["message_id"]) if method == "editMessageText" else next(world.ids)
    known = fields["chat_id"].lstrip("-").isdigit()
    chat = {"id": int(fields["chat_id"]) if known else -7, "type": "private" if known else "channel"}
    return ok({"message_id": number, "date": 1_700_000_000, "chat": chat, "from": BOT, "text": text})


def faulty(fault: dict[str, Any]) -> tuple[int, Any]:
    """Return the answer of a server in trouble."""
    status = fault["status"]
    if status == 429:
        return 429, {
            "ok": False,
            "error_code": 429,
            "description": f"Too Many Requests: retry after {fault['retry_after']}",
            "parameters": {"retry_after": fault["retry_after"]},
        }
    if status >= 500:
        return status, b"<html>Bad Gateway</html>"
    return error(status, fault["description"])


def ok(result: Any) -> tuple[int, Any]:
    """Return a good answer."""
    return 200, {"ok": True, "result": result}


def error(status: int, description: str) -> tuple[int, Any]:
    """Return a refusal."""
    return status, {"ok": False, "error_code": status, "description": description}


def fields_of(scope: dict[str, Any], body: bytes) -> dict[str, Any]:
    """Return the parameters of a call; of a file its size and first bytes."""
    kind = dict(scope["headers"]).get(b"content-type", b"").decode()
    if not kind.startswith("multipart/form-data"):
        return dict(parse_qsl(body.decode(), keep_blank_values=True))
    fields: dict[str, Any] = {}
    for part in message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body).walk():
        name = part.get_param("name", header="content-disposition")
        if name is None:
            continue
        content = part.get_payload(decode=True)
        is_file = part.get_filename() is not None
        fields[str(name)] = {"size": len(content), "head": content[:8].hex()} if is_file else content.decode()
    return fields


async def serve() -> None:
    """Serve on a free port of this machine and print it."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await task


if __name__ == "__main__":
    sys.exit(asyncio.run(serve()))
