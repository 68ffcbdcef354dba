"""Notifier that sends alerts to a Telegram chat and takes commands from it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from cab_core.sdk import (
    Alert,
    CabError,
    Health,
    Notifier,
    OperatorDesk,
    Secret,
    Severity,
    hookimpl,
    option,
    plugin,
)
from cab_notifier_telegram.mute import KEY, Mute

if TYPE_CHECKING:
    from cab_notifier_telegram.line import Line

__all__ = ["Telegram"]

#: Seconds one alert may take in all; the kernel gives it ten.
_BUDGET_S = 9.0


@plugin
class Telegram(Notifier):
    """Sends alerts to one chat, and answers commands of the users it is told to know."""

    token: Secret = option(Secret(""), help="token of the bot, from @BotFather")
    chat_id: str = option("", help="numeric id of the chat, or @channel, which gets alerts only")
    allowed_users: tuple[int, ...] = option((), help="numeric ids of the users who get answers")
    admins: tuple[int, ...] = option((), help="those of them who may pause, resume and stop; empty: all")
    base_url: str = option("https://api.telegram.org", help="address of the Bot API server")

    def __attrs_post_init__(self) -> None:
        self._mute = Mute()
        self._line: Line | None = None
        self._failed: dict[int, int] = {}

    @hookimpl
    def start(self) -> None:
        """Load the library now, while nothing else waits for the event loop."""
        self._opened()

    @hookimpl
    async def stop(self) -> None:
        """Close the connections."""
        if self._line is not None:
            line, self._line = self._line, None
            await line.close()

    @hookimpl
    def health(self) -> Health:
        """Say whether Telegram answers."""
        trouble = "" if self._line is None else self._line.trouble
        return Health(not trouble, trouble)

    @hookimpl
    async def notify(self, alert: Alert) -> None:
        """Send one alert; raises if Telegram did not take it, so that it is sent again later."""
        from cab_notifier_telegram.alert_texts import reply_to

        if alert.severity is not Severity.CRITICAL and self._mute.holds(time.time()):
            return
        try:
            async with asyncio.timeout(_BUDGET_S):
                await self._opened().send(self._chat(), reply_to(alert, buttons=self._group() is not None))
        except TimeoutError:
            raise CabError("Telegram is too slow", where="TELEGRAM_API_URL") from None

    @hookimpl
    async def attend(self, desk: OperatorDesk) -> None:
        """Answer commands until the bot stops."""
        from cab_notifier_telegram.chat import Chat
        from cab_notifier_telegram.gate import Gate
        from cab_notifier_telegram.listening import Outage, listen, opened, publish

        self._mute.until_s = float((await desk.recall()).get(KEY, 0))
        if not self.allowed_users:
            return
        line, outage = self._opened(), Outage()
        username = await opened(line, outage)
        admins = frozenset(self.admins or self.allowed_users)
        await publish(line, self._group(), {user: user in admins for user in self.allowed_users})
        chat = Chat(
            desk=desk,
            line=line,
            gate=Gate(self._group(), frozenset(self.allowed_users)),
            admins=admins,
            username=username,
            mute=self._mute,
            now=time.time,
        )
        await listen(chat, outage, self._failed)

    def _opened(self) -> Line:
        from cab_notifier_telegram.line import Line

        if not (self.token and self.chat_id):
            raise CabError("Telegram needs a token and a chat", where="TELEGRAM_BOT_TOKEN, TELEGRAM_CHAT_ID")
        if self._line is None:
            self._line = Line(self.token, self.base_url or "https://api.telegram.org")
        return self._line

    def _chat(self) -> int | str:
        group = self._group()
        return self.chat_id if group is None else group

    def _group(self) -> int | None:
        """Return the chat's numeric id, None for a channel's name."""
        text = self.chat_id.strip()
        return int(text) if text.lstrip("-").isdecimal() else None
