"""The line to the Bot API: sends, edits and reads, within Telegram's limits and without showing the token."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from telegram import (
    Bot,
    BotCommand,
    BotCommandScope,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    Update,
)
from telegram.constants import ParseMode
from telegram.error import BadRequest, Conflict, Forbidden, InvalidToken, RetryAfter, TelegramError
from telegram.request import HTTPXRequest

from cab_core.sdk import CabError, Secret
from cab_notifier_telegram.html import plain, split
from cab_notifier_telegram.replies import Button, Reply

# The library's waiting times come as timedelta from its next version on; asked for now, it does not warn.
os.environ.setdefault("PTB_TIMEDELTA", "1")

log = logging.getLogger("cab.telegram")

T = TypeVar("T")

#: Seconds of one request; the kernel gives an alert ten.
TIMEOUT_S = 4.0
#: Longest pause Telegram may ask for that is waited out at once, seconds.
PATIENCE_S = 3.0
#: Seconds one question for updates waits for some.
POLL_S = 25
#: Longest caption of a picture.
_CAPTION = 1024
#: Refusals that no other wording of a message would change.
_ABOUT_CHAT = re.compile(r"chat|peer|rights|user (?:is|was|not)", re.IGNORECASE)
_AFTER = "it is sent after that"
#: Least level of the libraries' logs: the address of a request holds the token; the library's errors are
#: told by this module.
_LEVELS = {"httpx": logging.WARNING, "httpcore": logging.WARNING, "telegram": logging.CRITICAL}


class Line:
    """One bot at one Bot API server.

    Args:
        token: the bot's token.
        base_url: address of the server, without ``/bot``.

    Attributes:
        trouble: what is wrong with the line now, empty if nothing is.
    """

    def __init__(self, token: Secret, base_url: str) -> None:
        for name, level in _LEVELS.items():
            logger = logging.getLogger(name)
            logger.setLevel(max(level, logger.level))
        self.trouble = ""
        self._token = token
        self._requests = [_request(), _request()]
        url = f"{base_url.rstrip('/')}/bot"
        polls, sends = self._requests
        self._bot = Bot(token.reveal(), base_url=url, request=sends, get_updates_request=polls)
        self._not_before = 0.0

    async def open(self) -> str:
        """Connect and return the bot's user name.

        Raises:
            CabError: no connection, or the token is refused.
        """
        await self._call(self._bot.initialize)
        return self._bot.username

    async def close(self) -> None:
        """Release the connections."""
        for request in self._requests:
            await request.shutdown()

    async def updates(self, after: int | None) -> Sequence[Update]:
        """Return the updates after the one of that number, oldest first; wait up to `POLL_S` for some.

        Raises:
            CabError: no connection; another program reads the updates; the token is refused.
        """
        offset = None if after is None else after + 1
        kinds = ["message", "callback_query"]
        return await self._call(
            lambda: self._bot.get_updates(offset=offset, timeout=POLL_S, allowed_updates=kinds), limited=False
        )

    async def send(self, chat: int | str, reply: Reply) -> None:
        """Send a reply; a long text becomes several messages, of which the last has the buttons.

        Raises:
            CabError: Telegram did not take it.
        """
        if reply.photo is not None:
            await self._photo(chat, reply, reply.photo)
            return
        *parts, last = split(reply.text or "·")
        for part in parts:
            await self._message(chat, part, None)
        await self._message(chat, last, _markup(reply.rows))

    async def _photo(self, chat: int | str, reply: Reply, photo: bytes) -> None:
        await self._dressed(
            lambda caption, **dress: self._bot.send_photo(
                chat, photo, caption=caption, filename="chart.png", **dress
            ),
            split(reply.text, _CAPTION)[0],
            _markup(reply.rows),
        )

    async def _message(self, chat: int | str, text: str, markup: InlineKeyboardMarkup | None) -> None:
        preview = LinkPreviewOptions(is_disabled=True)
        await self._dressed(
            lambda text, **dress: self._bot.send_message(chat, text, link_preview_options=preview, **dress),
            text,
            markup,
        )

    async def _dressed(
        self, send: Callable[..., Awaitable[object]], text: str, markup: InlineKeyboardMarkup | None
    ) -> None:
        """Send a text with its marks and buttons, or without both where Telegram does not take them."""
        try:
            await self._call(lambda: send(text, parse_mode=ParseMode.HTML, reply_markup=markup))
        except MessageRefusedError as error:
            log.warning("a message goes out as plain text: %s", error.what)
            await self._call(lambda: send(plain(text)))

    async def edit(self, chat: int, message: int, reply: Reply) -> None:
        """Replace a message, or send a new one where that one cannot be changed any more."""
        text = split(reply.text)[0]
        try:
            await self._call(
                lambda: self._bot.edit_message_text(
                    text, chat, message, parse_mode=ParseMode.HTML, reply_markup=_markup(reply.rows)
                )
            )
        except RefusedByTelegramError as error:
            if "not modified" not in error.what:
                await self.send(chat, reply)

    async def answer(self, query: str, text: str = "") -> None:
        """Take note of a pressed button, with a short note for whoever pressed it."""
        try:
            await self._call(lambda: self._bot.answer_callback_query(query, text or None))
        except RefusedByTelegramError:
            log.debug("a button was answered too late")  # Telegram forgets presses after a while

    async def publish(self, commands: Sequence[tuple[str, str]], scope: BotCommandScope) -> None:
        """Show commands in the menu of a scope."""
        shown = [BotCommand(name, text) for name, text in commands]
        await self._call(lambda: self._bot.set_my_commands(shown, scope=scope))

    async def _call(self, request: Callable[[], Awaitable[T]], *, limited: bool = True) -> T:
        """Make a request; a short pause Telegram asks for is waited out once."""
        if limited and (left := self._not_before - time.monotonic()) > 0:
            raise BusyError(f"Telegram wants a pause of {left:.0f} s more", fix=_AFTER)
        try:
            try:
                return await self._done(request)
            except RetryAfter as error:
                pause_s = _seconds(error.retry_after)
                if pause_s > PATIENCE_S:
                    raise
                await asyncio.sleep(pause_s)
                return await self._done(request)
        except RetryAfter as error:
            pause_s = _seconds(error.retry_after)
            self._not_before = time.monotonic() + pause_s if limited else self._not_before
            raise BusyError(f"Telegram wants a pause of {pause_s:.0f} s", fix=_AFTER) from None
        except TelegramError as error:
            raise self._translated(error) from None

    async def _done(self, request: Callable[[], Awaitable[T]]) -> T:
        result = await request()
        self.trouble = ""
        return result

    def _translated(self, error: TelegramError) -> CabError:
        """Return the error for people. The library's own texts may hold the token."""
        text = str(error).replace(self._token.reveal(), "***")
        if isinstance(error, InvalidToken):
            self.trouble = "Telegram refused the bot's token"
            return TokenError(
                self.trouble, where="TELEGRAM_BOT_TOKEN", fix="get the right one from @BotFather"
            )
        if isinstance(error, Conflict):
            self.trouble = "another program reads this bot's messages (409 Conflict)"
            return ConflictError(self.trouble, fix="stop the other one, or give each bot a token of its own")
        if isinstance(error, Forbidden) or (isinstance(error, BadRequest) and _ABOUT_CHAT.search(text)):
            return RefusedByTelegramError(f"Telegram refused: {text}", where="TELEGRAM_CHAT_ID")
        if isinstance(error, BadRequest):
            return MessageRefusedError(f"Telegram refused the message: {text}")
        self.trouble = f"Telegram does not answer: {text or type(error).__name__}"
        return CabError(self.trouble, where="TELEGRAM_API_URL")


class TokenError(CabError):
    """The bot's token is refused."""


class ConflictError(CabError):
    """Somebody else polls with this token."""


class RefusedByTelegramError(CabError):
    """Telegram will not do this, however often it is asked: no such chat, blocked by the user, too old."""


class BusyError(CabError):
    """Telegram wants a pause."""


def _request() -> HTTPXRequest:
    return HTTPXRequest(
        connection_pool_size=8,
        connect_timeout=TIMEOUT_S,
        read_timeout=TIMEOUT_S,
        write_timeout=TIMEOUT_S,
        media_write_timeout=2 * TIMEOUT_S,
        pool_timeout=TIMEOUT_S,
    )


def _markup(rows: Sequence[Sequence[Button]]) -> InlineKeyboardMarkup | None:
    keys = [
        [InlineKeyboardButton(each.label, callback_data=each.data) for each in row] for row in rows if row
    ]
    return InlineKeyboardMarkup(keys) if keys else None


def _seconds(pause: int | timedelta) -> float:
    return pause.total_seconds() if isinstance(pause, timedelta) else float(pause)


class MessageRefusedError(RefusedByTelegramError):
    """Telegram does not take a message as it is written; the chat is all right."""
