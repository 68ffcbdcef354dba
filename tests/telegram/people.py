"""What tests say to the emulator, and what they see of the bot."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import attrs

from cab_core.sdk import Secret
from cab_notifier_telegram import Telegram

ADMIN, READER, STRANGER = 11, 22, 33
GROUP = -100500
#: A server on this machine is asked directly.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@attrs.frozen
class Server:
    """The emulator's process."""

    url: str

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Server]:
        command = [sys.executable, str(Path(__file__).with_name("emulator.py"))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                yield cls(f"http://127.0.0.1:{int(process.stdout.readline())}")
            finally:
                process.kill()

    def people(self, name: str, prefix: str = "") -> People:
        token = f"{prefix or '700123'}:{hashlib.sha256(name.encode()).hexdigest()[:35]}"
        return People(self.url, token)


@attrs.define
class People:
    """Those who write to one bot, and what it answered.

    Attributes:
        keys: the idempotency keys of confirmed commands, for tests to remember.
    """

    url: str
    token: str
    keys: dict[str, str] = attrs.field(factory=dict)
    _numbers: Any = attrs.field(factory=lambda: itertools.count(5000))

    def control(self, verb: str, body: Any = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        with _DIRECT.open(f"{self.url}/control/{self.token}/{verb}", data, timeout=10) as answer:
            known: dict[str, Any] = json.loads(answer.read())
            return known

    def update(self, **content: Any) -> dict[str, Any]:
        """Put an update in as it is; return it."""
        update = {"update_id": next(self._numbers), **content}
        self.control("update", [update])
        return update

    def write(
        self, text: str, user: int = ADMIN, chat: int = GROUP, age_s: float = 0, **more: Any
    ) -> dict[str, Any]:
        return self.update(message=message(text, user, chat, age_s, **more))

    def press(self, data: str, user: int = ADMIN, chat: int = GROUP, number: int = 1000) -> dict[str, Any]:
        """Press a button of the bot's message of that number."""
        under = message("asked", 999, chat)
        under |= {"message_id": number, "from": {"id": 999, "is_bot": True, "first_name": "cab"}}
        query = {
            "id": f"q{number}",
            "from": person(user),
            "chat_instance": "1",
            "message": under,
            "data": data,
        }
        return self.update(callback_query=query)

    def faults(self, *faults: dict[str, Any]) -> None:
        self.control("faults", [{"times": 1, **fault} for fault in faults])

    def calls(self, *methods: str) -> list[dict[str, Any]]:
        """Return what the bot has called so far, all but its menus unless asked for."""
        found = self.control("calls")["calls"]
        return [each for each in found if each["method"] in (methods or _SPOKEN)]

    def texts(self) -> list[str]:
        return [each.get("text", each.get("caption", "")) for each in self.calls()]

    async def until(
        self, reached: Callable[[list[dict[str, Any]]], object], *methods: str
    ) -> list[dict[str, Any]]:
        """Wait until the bot has called so that ``reached(calls)`` holds; return the calls."""
        end = time.monotonic() + 20
        while not ((calls := self.calls(*methods)) and reached(calls)):
            assert time.monotonic() < end, f"the bot said only {calls}"
            await asyncio.sleep(0.01)
        return calls

    async def answers(self, count: int) -> list[dict[str, Any]]:
        return await self.until(lambda calls: len(calls) >= count)

    async def done(self) -> None:
        """Wait until the bot has handled everything that was put in."""
        end = time.monotonic() + 20
        while self.control("calls")["waiting"]:
            assert time.monotonic() < end
            await asyncio.sleep(0.01)


_SPOKEN = ("sendMessage", "sendPhoto", "editMessageText", "answerCallbackQuery")


def person(user: int) -> dict[str, Any]:
    return {"id": user, "is_bot": False, "first_name": {ADMIN: "Anna", READER: "Rita"}.get(user, "Stan")}


def message(text: str, user: int, chat: int, age_s: float = 0, **more: Any) -> dict[str, Any]:
    return {
        "message_id": 1,
        "date": int(time.time() - age_s),
        "chat": {"id": chat, "type": "private" if chat > 0 else "group"},
        "from": person(user),
        "text": text,
        **more,
    }


def buttons(call: dict[str, Any]) -> dict[str, str]:
    """Return what each button under a message carries, by its label without the sign."""
    rows = json.loads(call.get("reply_markup") or "{}").get("inline_keyboard", [])
    return {button["text"].split(" ", 1)[-1]: button["callback_data"] for row in rows for button in row}


def telegram(people: People, **options: Any) -> Telegram:
    """Return a notifier on the emulator."""
    os.environ["NO_PROXY"] = "127.0.0.1"
    known = {"allowed_users": (ADMIN, READER), "admins": (ADMIN,), "chat_id": str(GROUP)}
    return Telegram(token=Secret(people.token), **{"base_url": people.url, **known, **options})


@asynccontextmanager
async def running_bot(people: People, desk: Any, **options: Any):
    """A notifier that attends; yields it with its task, and stops both."""
    notifier = telegram(people, **options)
    notifier.start()
    task = asyncio.create_task(notifier.attend(desk))
    try:
        yield notifier, task
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=5)
        await notifier.stop()
        if task.done() and not task.cancelled() and task.exception() is not None:
            raise task.exception()
